// References and their uses: fitted, saved, read; while tiling, for embedding, as augmentation.
#include "core/base/atomic_file.h"
#include "data/jpeg.h"
#include "data/multicrop.h"
#include "data/stain_fit.h"
#include "data/tile_reader.h"
#include "data/tiler.h"
#include "tests/checkout.h"
#include "tests/data/slide_fixture.h"
#include "tests/data/stain_fixture.h"
#include "tests/data/store_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/ATen.h>

namespace eosin::data {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

std::string write_picture(const std::string& path, const Image& image) {
  std::vector<uint8_t> bytes;
  encode_jpeg(image, 95, Subsampling::k444, bytes);
  write_file(path, std::span<const uint8_t>(bytes));
  return path;
}

/// A reference that is redder and stronger than the drawn slides.
std::string write_reference(const TemporaryFolder& folder, const std::string& name = "ref") {
  const StainVectors stains = make_stain_vectors(unit({0.50, 0.75, 0.42}), unit({0.10, 0.95, 0.25}));
  StainFitConfig config;
  config.out = folder / (name + ".yaml");
  const StainFit fit = fit_stains(write_picture(folder / (name + ".jpg"), stained_picture(101, 103, stains, 1.2)), config);
  EXPECT_TRUE(fit.faults.empty());
  write_stain_profile(fit.profile, config.out);
  return config.out;
}

TEST(StainReference, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  const StainProfile profile = read_stain_profile(write_reference(folder));
  EXPECT_EQ(profile.name, "ref");
  EXPECT_EQ(profile.pixels, 101 * 103);
  write_stain_profile(profile, folder / "again.yaml");
  EXPECT_EQ(digest_of(read_stain_profile(folder / "again.yaml")), digest_of(profile));
  StainProfile other = profile;
  other.name = "other";
  EXPECT_EQ(digest_of(other), digest_of(profile));
  other.macenko.stains.max_c[0] += 1e-9;
  EXPECT_NE(digest_of(other), digest_of(profile));
}

TEST(StainReference, WrongFilesAreNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / "wrong.yaml";
  const auto message = [&](const std::string& text, const char* method = "macenko") {
    write_file(path, text);
    return message_of([&] { StainReference({.method = method, .reference = path}); }, ErrorKind::Config);
  };
  EXPECT_THAT(message("name: x\n"), HasSubstr("no fit of macenko"));
  EXPECT_THAT(message("macenko: {h: [1, 0, 0]}\n"), HasSubstr("need h and e of three numbers"));
  EXPECT_THAT(message("macenko: {h: [1, 0, 0], e: [1, 0, 0], max_c: [1, 1]}\n"), HasSubstr("one stain"));
  EXPECT_THAT(message("macenko: {h: [3, 0, 0], e: [0, 1, 0], max_c: [1, 1]}\n"), HasSubstr("wrong.yaml:1"));
  EXPECT_THAT(message("macenco: {}\n"), HasSubstr("did you mean 'macenko'?"));
  EXPECT_THAT(message("vahadane: {h: [0.8, -0.6, 0], e: [0, 1, 0], max_c: [1, 1]}\n", "vahadane"), HasSubstr("not negative"));
  EXPECT_THAT(message("reinhard: {mean: [1, 2]}\n", "reinhard"), HasSubstr("three numbers"));
  EXPECT_THAT(message_of([] { StainReference({.method = "macenko", .reference = "absent.yaml"}); }, ErrorKind::Config),
              HasSubstr("stain-fit makes one"));
  EXPECT_EQ(open_stain_reference({}), nullptr);
}

TEST(StainReference, ShippedOnesAreUsable) {
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(source_dir()) / "configs/stain")) {
    const StainReference reference({.method = "macenko", .reference = entry.path().string()});
    EXPECT_THAT(reference.description(), StartsWith("macenko to "));
    ++seen;
  }
  EXPECT_GT(seen, 0);
}

TEST(StainFit, OfAPictureWithoutTissueIsAnError) {
  const TemporaryFolder folder;
  StainFitConfig config;
  config.out = folder / "ref.yaml";
  const std::string white = write_picture(folder / "white.jpg", flat_picture(31, 37, {255, 255, 255}));
  EXPECT_THAT(message_of([&] { fit_stains(white, config); }, ErrorKind::Data), HasSubstr("too_little_tissue"));
  write_file(folder / "text.png", std::string_view("not a picture"));
  EXPECT_THAT(message_of([&] { fit_stains(folder / "text.png", config); }, ErrorKind::Data), HasSubstr("neither a JPEG, nor a PNG or a TIFF"));
}

TEST(SlideStain, GlassIsLeftAsItWas) {
  const TemporaryFolder folder;
  const std::string path = write_reference(folder);
  for (const StainMethod& method : stain_methods()) {
    const auto reference = open_stain_reference({.method = method.name, .reference = path, .estimate = "tile"});
    const SlideStain stain(reference, {});
    Image white = flat_picture(31, 37, {255, 255, 255});
    EXPECT_TRUE(stain.normalize(white)) << method.name;
    EXPECT_EQ(white.rgb, flat_picture(31, 37, {255, 255, 255}).rgb) << method.name;
    Image tile = stained_picture(61, 67, test_stains());
    const Image before = tile;
    EXPECT_FALSE(stain.normalize(tile)) << method.name;
    EXPECT_GT(level_distance(tile, before).mean, 2) << method.name;
    const SlideStain empty(open_stain_reference({.method = method.name, .reference = path}), Image(1, 0));
    EXPECT_EQ(empty.normalize(tile), StainFault::kTooLittleTissue) << method.name;
  }
}

/// Drawn slides, tiled with and without normalisation.
class StainedTiling : public testing::Test {
 protected:
  StainedTiling() : reference_(write_reference(folder_)) {
    write_drawn_slide(folder_ / "a.tiff", small_spec(0));
    write_drawn_slide(folder_ / "b.tiff", small_spec(1));
  }
  TileConfig config(const std::string& store, const std::string& method, int64_t threads = 2) const {
    TileConfig c;
    c.slides = {folder_ / "a.tiff", folder_ / "b.tiff"};
    c.store = folder_ / store;
    c.tile.size_px = 64;
    c.encoding.codec = "raw";
    c.run.threads = threads;
    c.stain.method = method;
    if (method != "none") c.stain.reference = reference_;
    return c;
  }
  std::vector<uint8_t> pixels(const std::string& store) const {
    const TileStore s(folder_ / store);
    std::vector<uint8_t> all, buffer;
    for (uint64_t i = 0; i < s.n_tiles(); ++i) {
      const auto tile = s.read(i, buffer);
      all.insert(all.end(), tile.begin(), tile.end());
    }
    return all;
  }

  TemporaryFolder folder_;
  std::string reference_;
};

TEST_F(StainedTiling, ChangesTheTilesTheSameForAnyThreadsAndSaysSo) {
  const TilingResult plain = tile_slides(config("plain", "none"));
  ASSERT_GT(plain.tiles, 10);
  for (const StainMethod& method : stain_methods()) {
    const TilingResult one = tile_slides(config(method.name + "1", method.name, 1)), three = tile_slides(config(method.name + "3", method.name, 3));
    EXPECT_EQ(one.tiles, plain.tiles);
    EXPECT_EQ(one.stain_left, 0);
    EXPECT_EQ(pixels(method.name + "1"), pixels(method.name + "3")) << method.name;
    EXPECT_NE(pixels(method.name + "1"), pixels("plain")) << method.name;
    EXPECT_THAT(TileStore(folder_ / (method.name + "1")).format().stain, StartsWith(method.name + " to ref ("));
    EXPECT_THAT(read_file(folder_ / (method.name + "1/slides.jsonl")), HasSubstr("per slide\",\"stain_from\":{\""));
  }
  EXPECT_EQ(TileStore(folder_ / "plain").format().stain, "");
}

TEST_F(StainedTiling, BringsTheStoresStainsToTheReferences) {
  tile_slides(config("store", "macenko"));
  StainFitConfig fit;
  fit.out = folder_ / "found.yaml";
  const StainProfile found = fit_stains(folder_ / "store", fit).profile, want = read_stain_profile(reference_);
  for (size_t s = 0; s < 2; ++s) {
    EXPECT_GT(dot(found.macenko.stains.column(s), want.macenko.stains.column(s)), 0.97) << s;
    EXPECT_NEAR(found.macenko.stains.max_c[s] / want.macenko.stains.max_c[s], 1, 0.15) << s;
  }
}

TEST_F(StainedTiling, AStoreOfOtherColoursIsRefused) {
  tile_slides(config("store", "macenko"));
  EXPECT_THAT(message_of([&] { tile_slides(config("store", "reinhard")); }, ErrorKind::Config), HasSubstr("other"));
  StainProfile changed = read_stain_profile(reference_);
  changed.macenko.stains.max_c[0] *= 1.5;
  write_stain_profile(changed, reference_);
  EXPECT_THAT(message_of([&] { tile_slides(config("store", "macenko")); }, ErrorKind::Config), HasSubstr("other"));
}

TEST_F(StainedTiling, ASlideWithoutStainsKeepsItsColoursAndIsCounted) {
  TileConfig c = config("store", "macenko");
  write_slide(folder_ / "flat.tiff", flat_picture(400, 500, {120, 60, 130}), 0.5);
  c.slides = {folder_ / "flat.tiff"};
  c.tissue.allow_dark_background = true;
  c.tile.min_tissue = 0;
  c.tissue.method.select("hsv_otsu");
  const TilingResult r = tile_slides(c);
  ASSERT_GT(r.tiles, 0);
  EXPECT_EQ(r.stain_left, r.tiles);
  EXPECT_EQ(TileStore(c.store).tile(0).qc & kQcStainLeft, kQcStainLeft);
}

/// A store of stained pictures and one of glass.
std::shared_ptr<const TileStore> stained_store(const TemporaryFolder& folder) {
  StoreSettings settings;
  settings.codec = Codec::kRaw;
  settings.tile_height = settings.tile_width = 64;
  TileStoreWriter writer(folder / "store", settings, {"a", "b"});
  for (const char* id : {"a", "b"}) {
    SlidePart part = writer.begin(id);
    for (uint64_t t = 0; t < 5; ++t) {
      const Image image = id[0] == 'b' ? flat_picture(64, 64, {250, 250, 250}) : stained_picture(64, 64, test_stains(), 0.8, t);
      part.append(test_tile(0, t), image.rgb);
    }
    writer.finish(std::move(part), test_slide(id));
  }
  writer.close();
  return std::make_shared<const TileStore>(folder / "store");
}

TEST(StoreStain, NormalisesForTheEncoderAndCountsWhatItLeaves) {
  const TemporaryFolder folder;
  const auto store = stained_store(folder);
  const EvalViewConfig view{.resize_px = 64, .crop_px = 64, .mean = {0, 0, 0}, .std = {1, 1, 1}};
  const auto read = [&](const std::shared_ptr<const StoreStain>& stain, int64_t threads) {
    TileReader reader(store, view, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 10, threads, 0, stain);
    return reader.next()->images_BCHW.clone();
  };
  const at::Tensor plain = read(nullptr, 1);
  for (const char* estimate : {"slide", "tile"}) {
    const auto reference = open_stain_reference({.method = "macenko", .reference = write_reference(folder), .estimate = estimate});
    const auto one = std::make_shared<const StoreStain>(store, reference), many = std::make_shared<const StoreStain>(store, reference);
    const at::Tensor images = read(one, 1);
    EXPECT_TRUE(at::equal(images, read(many, 4)));
    EXPECT_FALSE(at::equal(images.slice(0, 0, 5), plain.slice(0, 0, 5)));
    EXPECT_TRUE(at::equal(images.slice(0, 5), plain.slice(0, 5)));
    EXPECT_EQ(one->left(), 5);
  }
}

std::vector<std::vector<float>> make_views(const MultiCropConfig& config, const Image& tile, uint64_t position, bool* left = nullptr) {
  const ViewMaker maker(config);
  std::vector<std::vector<float>> views;
  std::vector<float*> out;
  for (int64_t v = 0; v < maker.n_views(); ++v) views.emplace_back(static_cast<size_t>(3 * maker.size_px(v) * maker.size_px(v)));
  for (auto& v : views) out.push_back(v.data());
  const bool fault = maker.make(tile, 7, position, out).has_value();
  if (left) *left = fault;
  return views;
}

/// One view of the whole tile with nothing but a stain augmentation, in levels.
MultiCropConfig stain_only() {
  MultiCropConfig c = view_preset("supervised");
  c.global = {1, 1}, c.ratio = {1, 1}, c.flip = "none", c.global_size_px = 96;
  c.mean = {0, 0, 0}, c.std = {1, 1, 1};
  return c;
}

TEST(StainViews, FastIsNearExact) {
  for (const char* kind : {"macenko", "randstainna"}) {
    MultiCropConfig config = stain_only();
    (kind[0] == 'm' ? config.macenko_p : config.randstainna_p) = 1;
    for (uint64_t p = 0; p < 5; ++p) {
      const Image tile = stained_picture(96, 96, test_stains(), 0.8, p);
      config.arithmetic = "exact";
      const auto exact = make_views(config, tile, p)[0];
      config.arithmetic = "fast";
      const auto fast = make_views(config, tile, p)[0];
      for (size_t i = 0; i < fast.size(); ++i) ASSERT_NEAR(255 * fast[i], 255 * exact[i], 1.01) << kind;
      config.macenko_p = config.randstainna_p = 0;
      EXPECT_NE(make_views(config, tile, p)[0], fast) << kind;
      (kind[0] == 'm' ? config.macenko_p : config.randstainna_p) = 1;
    }
  }
}

TEST(StainViews, GlassKeepsItsColoursAndSaysSo) {
  MultiCropConfig config = stain_only();
  const Image tile = flat_picture(96, 96, {240, 241, 242});
  bool left = true;
  const auto plain = make_views(config, tile, 0, &left);
  EXPECT_FALSE(left);
  config.macenko_p = 1;
  for (const char* arithmetic : {"fast", "exact"}) {
    config.arithmetic = arithmetic;
    const auto views = make_views(config, tile, 0, &left);
    EXPECT_TRUE(left);
    for (size_t i = 0; i < views[0].size(); ++i) ASSERT_NEAR(views[0][i], plain[0][i], 1e-6);
  }
}

TEST(StainViews, OneAugmentationAViewAsOftenAsAsked) {
  MultiCropConfig config = stain_only();
  config.hed_p = 0.2, config.macenko_p = 0.5, config.randstainna_p = 0.1;
  const ViewMaker maker(config);
  int hed = 0, macenko = 0, randstainna = 0;
  constexpr int kDraws = 4000;
  for (uint64_t p = 0; p < kDraws; ++p) {
    const ViewParams d = maker.draw(96, 96, 3, p, 0);
    EXPECT_LE(d.hed.has_value() + d.macenko.has_value() + d.randstainna.has_value(), 1);
    hed += d.hed.has_value(), macenko += d.macenko.has_value(), randstainna += d.randstainna.has_value();
    if (!d.macenko) continue;
    for (const double a : d.macenko->scale) ASSERT_TRUE(a >= 0.8 && a <= 1.2);
    for (const double b : d.macenko->shift) ASSERT_TRUE(b >= -0.2 && b <= 0.2);
  }
  const auto near = [](int count, double p) { return std::abs(count - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p)); };
  EXPECT_TRUE(near(hed, 0.2) && near(macenko, 0.5) && near(randstainna, 0.1)) << hed << " " << macenko << " " << randstainna;
}

}  // namespace
}  // namespace eosin::data
