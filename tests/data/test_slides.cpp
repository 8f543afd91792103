// The slide reader on slides written here, on bad files, and on real ones.
#include "core/base/error.h"
#include "data/slide_reader.h"
#include "data/tiff_file.h"
#include "tests/data/slide_fixture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>
#include <thread>

namespace eosin::data {
namespace {

using testing::HasSubstr;

ErrorKind kind_of(const std::string& path, std::string& message) {
  try {
    open_slide(path);
  } catch (const Error& e) {
    message = e.what();
    return e.kind();
  }
  ADD_FAILURE() << path << " was opened";
  return ErrorKind::Internal;
}

TEST(SlideReader, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const Image image = ramp(523, 787);
  const auto slide = open_slide(write_slide(folder / "a.tiff", image, 0.37, TiffCompression::kDeflate));
  EXPECT_EQ(slide->info().vendor, "generic-tiff");
  ASSERT_EQ(slide->info().dimensions.size(), 2u);
  EXPECT_EQ(slide->info().size(), (Size{787, 523}));
  EXPECT_NEAR(slide->info().downsamples[1], 4.0, 0.05);
  EXPECT_EQ(read_level(*slide, 0).rgb, image.rgb);
  const Image part = read_region(*slide, {301, 209}, 0, {131, 97});
  for (int64_t y = 0; y < part.height; ++y) EXPECT_TRUE(std::equal(part.row(y), part.row(y) + 3 * part.width, image.row(209 + y) + 3 * 301));
}

TEST(SlideReader, OutsideTheSlideIsWhite) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_slide(folder / "a.tiff", plain(300, 400, 90), 0.5, TiffCompression::kDeflate));
  const Image part = read_region(*slide, {-5, 290}, 0, {10, 20});
  EXPECT_EQ(part.row(0)[0], 255);
  EXPECT_EQ(part.row(0)[3 * 5], 90);
  EXPECT_EQ(part.row(10)[3 * 5], 255);
}

TEST(SlideReader, ThreadsReadTheSamePixels) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_drawn_slide(folder / "a.tiff", small_spec(3)));
  const auto read_all = [&] {
    std::vector<uint8_t> all;
    for (int64_t x = 0; x < 1000; x += 111) {
      const Image part = read_region(*slide, {x, x / 2}, 0, {127, 131});
      all.insert(all.end(), part.rgb.begin(), part.rgb.end());
    }
    return all;
  };
  const auto want = read_all();
  std::vector<std::vector<uint8_t>> got(4);
  std::vector<std::thread> threads;
  for (auto& g : got) threads.emplace_back([&g, &read_all] { g = read_all(); });
  for (auto& t : threads) t.join();
  for (const auto& g : got) EXPECT_EQ(g, want);
}

TEST(SlideReader, OverviewAveragesBoxes) {
  const TemporaryFolder folder;
  Image image = plain(512, 1024, 200);
  for (int64_t y = 0; y < 512; ++y)
    for (int64_t x = 0; x < 1024; x += 2) std::fill_n(image.row(y) + 3 * x, 3, uint8_t{100});
  PyramidSettings settings;
  settings.downsamples = {1};
  settings.compression = TiffCompression::kDeflate;
  write_pyramid_tiff(folder / "a.tiff", image, settings);
  const Image overview = read_overview(*open_slide(folder / "a.tiff"), 128);
  EXPECT_EQ(overview.width, 128);
  EXPECT_EQ(overview.height, 64);
  EXPECT_THAT(overview.rgb, testing::Each(150));
}

TEST(SlideReader, LevelForADownsample) {
  SlideInfo info;
  info.downsamples = {1, 4, 16.02, 64.06};
  EXPECT_EQ(info.level_for(0.5), 0);
  EXPECT_EQ(info.level_for(4), 1);
  EXPECT_EQ(info.level_for(64), 2);  // as OpenSlide: 64.06 is above 64
}

TEST(SlideReader, BadFilesAreNamed) {
  const TemporaryFolder folder;
  std::string message;
  EXPECT_EQ(kind_of(folder / "missing.svs", message), ErrorKind::Io);
  EXPECT_THAT(message, HasSubstr("missing.svs' does not exist"));
  EXPECT_EQ(kind_of(folder.path().string(), message), ErrorKind::Io);
  write_file(folder / "empty.svs", std::string_view());
  EXPECT_EQ(kind_of(folder / "empty.svs", message), ErrorKind::Data);
  EXPECT_THAT(message, HasSubstr("empty (0 bytes)"));
  write_file(folder / "text.svs", std::string_view("this is no slide\n"));
  EXPECT_EQ(kind_of(folder / "text.svs", message), ErrorKind::Data);
  EXPECT_THAT(message, HasSubstr("not a slide"));
}

/// A plain picture with a fourth channel of zeros that does not say what it is.
void write_four_channels(const std::string& path, bool tiled) {
  const TiffHandle tiff(TIFFOpen(path.c_str(), "w"), TIFFClose);
  TIFF* t = tiff.get();
  TIFFSetField(t, TIFFTAG_IMAGEWIDTH, 256u);
  TIFFSetField(t, TIFFTAG_IMAGELENGTH, 256u);
  TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 4);
  TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
  TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  const uint16_t unspecified = EXTRASAMPLE_UNSPECIFIED;
  TIFFSetField(t, TIFFTAG_EXTRASAMPLES, 1, &unspecified);
  std::vector<uint8_t> pixels(256 * 256 * 4, 90);
  for (size_t i = 3; i < pixels.size(); i += 4) pixels[i] = 0;
  if (tiled) {
    TIFFSetField(t, TIFFTAG_TILEWIDTH, 256u);
    TIFFSetField(t, TIFFTAG_TILELENGTH, 256u);
    EXPECT_GT(TIFFWriteEncodedTile(t, 0, pixels.data(), std::ssize(pixels)), 0);
  } else {
    for (uint32_t y = 0; y < 256; ++y) EXPECT_EQ(TIFFWriteScanline(t, pixels.data(), y), 1);
  }
}

TEST(SlideReader, ColoursThatAreNotPremultipliedDoNotWrap) {
  const TemporaryFolder folder;
  write_four_channels(folder / "a.tiff", true);
  EXPECT_THAT(read_region(*open_slide(folder / "a.tiff"), {0, 0}, 0, {100, 100}).rgb, testing::Each(testing::Ge(90)));
}

TEST(SlideReader, ATiffInStripsSaysWhatToDo) {
  const TemporaryFolder folder;
  write_four_channels(folder / "a.tiff", false);
  std::string message;
  EXPECT_EQ(kind_of(folder / "a.tiff", message), ErrorKind::Data);
  EXPECT_THAT(message, HasSubstr("in strips, not in tiles"));
}

int64_t bytes_in_use() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

TEST(SlideReader, AThreadKeepsNoWholeLevel) {
  const TemporaryFolder folder;
  const std::string path = write_slide(folder / "a.tiff", plain(2500, 3000, 200), 0.5, TiffCompression::kDeflate);
  const int64_t before = bytes_in_use();
  read_level(*open_slide(path), 0);
  EXPECT_LT(bytes_in_use() - before, 20'000'000) << "of 30 MB that OpenSlide was given to write to";
}

TEST(SlideReader, TruncatedSlideIsRefusedOrReadsAsDamaged) {
  const TemporaryFolder folder;
  const std::string whole = read_file(write_drawn_slide(folder / "a.tiff", small_spec(2)));
  write_file(folder / "cut.tiff", std::string_view(whole).substr(0, whole.size() / 2));
  std::string message;
  EXPECT_EQ(kind_of(folder / "cut.tiff", message), ErrorKind::Data);
}

/// Overwrites bytes in the middle of the file, inside a tile of level 0.
void damage(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 3));
  file << std::string(4000, '\xFF');
}

TEST(SlideReader, StaysUsableAfterADamagedRegion) {
  const TemporaryFolder folder;
  const std::string path = write_slide(folder / "a.tiff", ramp(1024, 1024), 0.5, TiffCompression::kDeflate);
  const Image first = read_region(*open_slide(path), {0, 0}, 0, {64, 64});
  damage(path);
  const auto slide = open_slide(path);
  int damaged = 0;
  for (int64_t y = 0; y < 1024; y += 256)
    for (int64_t x = 0; x < 1024; x += 256) {
      try {
        read_region(*slide, {x, y}, 0, {256, 256});
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::Data);
        EXPECT_THAT(e.what(), HasSubstr(fmt::format("damaged at ({}, {}), level 0", x, y)));
        ++damaged;
      }
    }
  EXPECT_GT(damaged, 0);
  EXPECT_LT(damaged, 16);
  EXPECT_EQ(read_region(*slide, {0, 0}, 0, {64, 64}).rgb, first.rgb);
}

TEST(RealSlides, TruncatedSvsIsRefused) {
  const std::string path = real_slide("CMU-1-Small-Region.svs");
  if (path.empty()) GTEST_SKIP() << "the shared slides are not here";
  const TemporaryFolder folder;
  const std::string whole = read_file(path);
  for (const double share : {0.02, 0.5, 0.9}) {
    const auto bytes = static_cast<size_t>(share * static_cast<double>(whole.size()));
    write_file(folder / "cut.svs", std::string_view(whole).substr(0, bytes));
    std::string message;
    EXPECT_EQ(kind_of(folder / "cut.svs", message), ErrorKind::Data) << message;
  }
}

}  // namespace
}  // namespace eosin::data
