// Coordinates out (tile with output trident or clam) and in again (import from the slides).
#include "data/slide_coords.h"

#include "core/base/atomic_file.h"
#include "core/base/csv.h"
#include "core/tensor/hdf5.h"
#include "data/image_import.h"
#include "data/tile_store.h"
#include "data/tiler.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

SlideCoords some_coords(CoordsLayout layout) {
  SlideCoords c;
  c.layout = layout;
  c.name = "tumeur é";
  c.folder = "out";
  c.tiles = {{0, 0}, {512, 0}, {70000, 123}};
  c.patch_size = 256;
  c.patch_size_level0 = layout == CoordsLayout::kClam ? 1025 : 512;
  if (layout == CoordsLayout::kClam) {
    c.patch_level = 1, c.downsample_x = 4.004, c.downsample_y = 4;
    c.level = Size{997, 883};
  } else {
    c.level0_magnification = 40, c.target_magnification = 20, c.overlap = 16;
    c.level0 = Size{3991, 3533};
  }
  c.identity = "settings";
  return c;
}

TEST(SlideCoords, RoundTrip) {
  const TemporaryFolder folder;
  for (const auto layout : {CoordsLayout::kTrident, CoordsLayout::kClam}) {
    SlideCoords c = some_coords(layout);
    write_slide_coords(folder / "a.h5", c);
    const SlideCoords r = read_slide_coords(folder / "a.h5");
    EXPECT_EQ(r.layout, c.layout);
    EXPECT_EQ(r.name, "a");
    EXPECT_EQ(r.tiles, c.tiles);
    EXPECT_EQ(r.patch_size, c.patch_size);
    EXPECT_EQ(r.patch_size_level0, c.patch_size_level0);
    EXPECT_EQ(r.overlap, c.overlap);
    EXPECT_EQ(r.level0_magnification, c.level0_magnification);
    EXPECT_EQ(r.level0, c.level0);
    EXPECT_EQ(r.patch_level, c.patch_level);
    EXPECT_EQ(r.downsample_x, c.downsample_x);
    EXPECT_EQ(r.level, c.level);
    EXPECT_EQ(r.identity, c.identity);
    c.tiles.clear();
    write_slide_coords(folder / "none.h5", c);
    EXPECT_TRUE(read_slide_coords(folder / "none.h5").tiles.empty());
  }
}

TEST(SlideCoords, DamageIsNoCrash) {
  const TemporaryFolder folder;
  write_slide_coords(folder / "a.h5", some_coords(CoordsLayout::kClam));
  const std::string whole = read_file(folder / "a.h5");
  const auto read = [&](const std::string& bytes) {
    std::ofstream(folder / "b.h5", std::ios::binary) << bytes;
    try {
      read_slide_coords(folder / "b.h5");
      return true;
    } catch (const Error&) {
      return false;
    }
  };
  for (size_t cut = 0; cut < whole.size(); cut += 251) EXPECT_FALSE(read(whole.substr(0, cut))) << cut;
  for (size_t at = 0; at < whole.size(); at += 13) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << at % 8));
    read(flipped);
  }
}

/// A file with the attributes that `add` gives it.
template <class Add>
std::string refusal(const TemporaryFolder& folder, Add add) {
  h5::File file = h5::File::create(folder / "bad.h5");
  file.write<int64_t>("coords", std::vector<int64_t>{0, 0, 5, 5}, {2, 2});
  add(file);
  file.close();
  return message_of([&] { read_slide_coords(folder / "bad.h5"); }, ErrorKind::Data);
}

TEST(SlideCoords, FilesThatDoNotSayAreRefused) {
  const TemporaryFolder folder;
  const auto set = [](h5::File& f, const char* name, int64_t v) { f.set_attribute("coords", name, v); };
  EXPECT_THAT(refusal(folder, [](h5::File&) {}), testing::AllOf(HasSubstr("bad.h5"), HasSubstr("'patch_size' is missing")));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 0); }), HasSubstr("patch_size"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 256); }), HasSubstr("patch_level"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 256), set(f, "patch_level", 0); }), HasSubstr("downsample"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 256), set(f, "patch_level", -1); }), HasSubstr("patch_level"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 256), set(f, "level0_magnification", 40); }),
              HasSubstr("target_magnification"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { set(f, "patch_size", 256), set(f, "patch_size_level0", int64_t{1} << 40); }),
              HasSubstr("patch_size_level0"));
  EXPECT_THAT(refusal(folder, [&](h5::File& f) { f.set_text("coords", "patch_size", "256"); }), HasSubstr("patch_size"));
  h5::File flat = h5::File::create(folder / "bad.h5");
  flat.write<int64_t>("coords", std::vector<int64_t>{0, 0, 5}, {3});
  flat.close();
  EXPECT_THAT(message_of([&] { read_slide_coords(folder / "bad.h5"); }, ErrorKind::Data), HasSubstr("[N, 2]"));
}

/// Slides s0 and s1, drawn once, with a pyramid of downsample 4.
class CoordsOfSlides : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    slides_ = new TemporaryFolder;
    for (uint64_t seed = 0; seed < 2; ++seed) write_drawn_slide(*slides_ / ("s" + std::to_string(seed) + ".tiff"), small_spec(seed));
  }
  static void TearDownTestSuite() {
    delete slides_;
    slides_ = nullptr;
  }

  static TileConfig tile_config(const std::string& out, const std::string& output, double mpp) {
    TileConfig c;
    c.slides = {slides_->path().string()};
    c.store = out;
    c.output = output;
    c.tile.size_px = 64;
    c.tile.mpp = mpp;
    c.encoding.codec = "raw";
    c.run.threads = 2;
    return c;
  }

  static ImportConfig import_config(const std::string& out) {
    ImportConfig c;
    c.out = out;
    c.slides = {slides_->path().string()};
    c.encoding.codec = "raw";
    c.run.threads = 2;
    return c;
  }

  static TemporaryFolder* slides_;
};
TemporaryFolder* CoordsOfSlides::slides_ = nullptr;

std::string content(const std::string& path) {
  const TileStore store(path);
  std::string text = fmt::format("{} {}\n", store.format().tile_width, store.format().target_mpp);
  for (uint64_t i = 0; i < store.n_tiles(); ++i) {
    const TileRow t = store.tile(i);
    text += fmt::format("{} {} {} {} {}\n", store.slides()[t.slide].id, t.x, t.y, t.level0_size, t.crc32c);
  }
  return text;
}

TEST_F(CoordsOfSlides, CutAgainTheyGiveTheSameTiles) {
  const TemporaryFolder folder;
  for (const double mpp : {0.5, 1.0}) {  // 1.0: read at level 0 and resized, which CLAM's layout cannot say
    const std::string name = fmt::format("{}", mpp);
    tile_slides(tile_config(folder / (name + "-store"), "store", mpp));
    for (const std::string layout : {"trident", "clam"}) {
      const std::string coords = folder / (name + layout);
      const TilingResult result = tile_slides(tile_config(coords, layout, mpp));
      EXPECT_EQ(result.slides_ok, 2);
      EXPECT_EQ(result.bytes, 0);
      EXPECT_TRUE(fs::exists(coords + "/qc/s0.jpg"));
      EXPECT_EQ(fs::exists(coords + "/process_list_autogen.csv"), layout == "clam");
      EXPECT_TRUE(fs::exists(coords + (layout == "clam" ? "/patches/s0.h5" : "/patches/s0_patches.h5")));
      ImportConfig config = import_config(coords + "-store");
      if (mpp == 1.0 && layout == "clam") config.resize = true, config.tile_size_px = 64;
      EXPECT_EQ(measure_import(coords, config).pictures, result.tiles);
      const ImportResult imported = import_images(coords, config);
      EXPECT_EQ(imported.tiles, result.tiles);
      EXPECT_EQ(imported.bad, 0);
      EXPECT_EQ(content(config.out), content(folder / (name + "-store"))) << layout << " " << mpp;
      EXPECT_EQ(import_images(coords, config).encoded, 0);  // all there
    }
  }
}

TEST_F(CoordsOfSlides, RunsGoOnAndOtherSettingsAreRefused) {
  const TemporaryFolder folder;
  TileConfig config = tile_config(folder / "coords", "trident", 0.5);
  const TilingResult first = tile_slides(config);
  const std::string file = folder / "coords/patches/s0_patches.h5";
  const std::string bytes = read_file(file);
  fs::remove(folder / "coords/patches/s1_patches.h5");
  write_file(folder / "coords/patches/s1.part", "left by a kill");
  const TilingResult second = tile_slides(config);
  EXPECT_EQ(second.slides_skipped, 1);
  EXPECT_EQ(second.tiles, first.tiles);
  EXPECT_EQ(read_file(file), bytes);
  EXPECT_FALSE(fs::exists(folder / "coords/patches/s1.part"));
  config.tile.min_tissue = 0.9;
  EXPECT_THAT(message_of([&] { tile_slides(config); }, ErrorKind::Config), HasSubstr("s0_patches.h5"));
}

TEST_F(CoordsOfSlides, FiltersOfPixelsCount) {
  const TemporaryFolder folder;
  TileConfig config = tile_config(folder / "store", "store", 0.5);
  config.tile.min_tissue = 0;
  config.filter.white_saturation = 40;
  const TilingResult store = tile_slides(config);
  config.store = folder / "coords";
  config.output = "clam";
  const TilingResult coords = tile_slides(config);
  EXPECT_GT(coords.filtered.at("white"), 0);
  EXPECT_EQ(coords.filtered, store.filtered);
  EXPECT_EQ(coords.tiles, store.tiles);
}

TEST_F(CoordsOfSlides, ClamListsTheSlidesWithTiles) {
  const TemporaryFolder folder;
  TileConfig config = tile_config(folder / "coords", "clam", 0.5);
  write_slide(folder / "white.tiff", plain(300, 300, 255), 0.5);
  config.slides.push_back(folder / "white.tiff");
  EXPECT_EQ(tile_slides(config).slides_no_tissue, 1);
  EXPECT_TRUE(read_slide_coords(folder / "coords/patches/white.h5").tiles.empty());
  const CsvTable list = CsvTable::read(folder / "coords/process_list_autogen.csv");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list.row(0)[list.column("slide_id")], "s0.tiff");
}

TEST_F(CoordsOfSlides, ABadSlideDoesNotEndTheImport) {
  const TemporaryFolder folder;
  const std::string coords = folder / "coords";
  tile_slides(tile_config(coords, "trident", 0.5));
  const SlideCoords good = read_slide_coords(coords + "/patches/s0_patches.h5");
  const auto failure = [&](const std::string& slide) {
    fs::remove_all(folder / "store");
    ImportConfig config = import_config(folder / "store");
    config.max_failed_fraction = 0.7;
    const ImportResult result = import_images(coords, config);
    EXPECT_GT(result.tiles, 0);
    EXPECT_EQ(result.bad, 1);
    return result.failures.at(slide);
  };
  const std::string s0 = coords + "/patches/s0_patches.h5";
  const auto damaged = [&](auto change) {
    SlideCoords c = good;
    change(c);
    write_slide_coords(s0, c);
    return failure("s0");
  };
  EXPECT_THAT(damaged([](SlideCoords& c) { c.level0 = Size{1, 2}; }), HasSubstr("another slide"));
  EXPECT_THAT(damaged([](SlideCoords& c) { c.tiles.push_back({5000, 0}); }), HasSubstr("outside the slide"));
  EXPECT_THAT(damaged([](SlideCoords& c) { c.tiles.push_back({0, -64}); }), HasSubstr("outside the slide"));
  EXPECT_THAT(damaged([](SlideCoords& c) { c.layout = CoordsLayout::kClam, c.patch_level = 7, c.level = Size{9, 9}; }), HasSubstr("level 7"));
  write_slide_coords(s0, good);
  write_slide_coords(coords + "/patches/gone_patches.h5", good);
  EXPECT_THAT(failure("gone"), HasSubstr("no slide 'gone'"));
  fs::remove(coords + "/patches/gone_patches.h5");
  fs::remove(s0);
  EXPECT_THAT(failure("s0"), AllOf(HasSubstr("no file of coordinates of slide 's0'"), HasSubstr(coords)));
  write_slide_coords(s0, good);
  write_file(s0, read_file(s0).substr(0, 1500));
  EXPECT_THAT(failure("s0"), HasSubstr("s0_patches.h5"));
  ImportConfig strict = import_config(folder / "strict");
  EXPECT_THAT(message_of([&] { import_images(coords, strict); }, ErrorKind::Data), HasSubstr("1 of 2 slides failed"));
  strict.slides.clear();
  EXPECT_THAT(message_of([&] { import_images(coords, strict); }, ErrorKind::Config), HasSubstr("slides="));
}

TEST_F(CoordsOfSlides, OtherTileSizesAreResizedWhenAsked) {
  const TemporaryFolder folder;
  tile_slides(tile_config(folder / "coords", "clam", 0.5));
  ImportConfig config = import_config(folder / "store");
  config.tile_size_px = 32;
  EXPECT_THAT(message_of([&] { import_images(folder / "coords", config); }, ErrorKind::Data), HasSubstr("resize"));
  config.resize = true;
  config.out = folder / "resized";
  EXPECT_GT(import_images(folder / "coords", config).tiles, 0);
  EXPECT_EQ(TileStore(config.out).format().tile_width, 32u);
}

}  // namespace
}  // namespace eosin::data
