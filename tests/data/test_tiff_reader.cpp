#include "data/tiff_reader.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/openslide_reader.h"
#include "data/tiff_file.h"
#include "data/tiff_tiles.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <thread>

namespace eosin::data {
namespace {

using testing::HasSubstr;

/// Regions of every level: aligned, not aligned, over the edges, outside.
void expect_the_pixels_of_openslide(const std::string& path, int regions) {
  const auto direct = open_slide(path);
  const auto reference = open_openslide(path);
  ASSERT_EQ(direct->info().reader, "tiff");
  std::mt19937 random(1);
  for (int i = 0; i < regions; ++i) {
    const auto& info = direct->info();
    const int level = i % static_cast<int>(info.dimensions.size());
    const Size whole = info.dimensions[static_cast<size_t>(level)];
    const double downsample = info.downsamples[static_cast<size_t>(level)];
    const int64_t step = i % 3 == 0 ? 256 : 1;
    const auto within = [&](int64_t n) { return (static_cast<int64_t>(random() % static_cast<uint64_t>(n + 200)) - 100) / step * step; };
    const Point on_level{within(whole.width), within(whole.height)};
    const Point at{std::llround(static_cast<double>(on_level.x) * downsample), std::llround(static_cast<double>(on_level.y) * downsample)};
    const Size size{i % 3 == 0 ? 256 : 1 + static_cast<int64_t>(random() % 400), i % 3 == 0 ? 256 : 1 + static_cast<int64_t>(random() % 400)};
    ASSERT_EQ(read_region(*direct, at, level, size).rgb, read_region(*reference, at, level, size).rgb)
        << "level " << level << " at " << at.x << ", " << at.y << ": " << size.width << " x " << size.height;
  }
}

TEST(TiffReader, ReadsThePixelsOfOpenSlide) {
  const TemporaryFolder folder;
  expect_the_pixels_of_openslide(write_drawn_slide(folder / "a.tiff", small_spec(2)), 60);
}

TEST(TiffReader, ReadsThePixelsOfOpenSlideOnRealSlides) {
  for (const char* name : {"CMU-1-Small-Region.svs", "lung-squamous-cell-carcinoma_HE3_40x.svs"}) {
    const std::string path = real_slide(name);
    if (path.empty()) GTEST_SKIP() << "the shared slides are not here";
    expect_the_pixels_of_openslide(path, 60);
  }
}

TEST(TiffReader, LeavesOtherCompressionsToOpenSlide) {
  const TemporaryFolder folder;
  EXPECT_EQ(open_slide(write_slide(folder / "a.tiff", ramp(600, 600), 0.5, TiffCompression::kDeflate))->info().reader, "openslide");
}

TEST(TiffReader, GivesTheStreamOfATileAndOfNothingElse) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_drawn_slide(folder / "a.tiff", small_spec(2)));
  const auto stream = slide->jpeg_stream({256, 512}, 0, {256, 256});
  ASSERT_FALSE(stream.empty());
  Image decoded;
  decode_jpeg(stream, decoded);
  EXPECT_EQ(decoded.rgb, read_region(*slide, {256, 512}, 0, {256, 256}).rgb);
  EXPECT_TRUE(slide->jpeg_stream({255, 512}, 0, {256, 256}).empty());
  EXPECT_TRUE(slide->jpeg_stream({256, 512}, 0, {128, 256}).empty());
  EXPECT_TRUE(slide->jpeg_stream({1024, 0}, 0, {256, 256}).empty()) << "reaches beyond the picture";
  EXPECT_TRUE(slide->jpeg_stream({-256, 0}, 0, {256, 256}).empty());
}

TEST(TiffReader, ReadsTheSameWhateverItMayHold) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_drawn_slide(folder / "a.tiff", small_spec(2)));
  const auto pixels = read_region(*slide, {100, 200}, 0, {600, 500}).rgb;
  slide->limit_decoded(0);
  EXPECT_EQ(read_region(*slide, {100, 200}, 0, {600, 500}).rgb, pixels);
}

/// Where level 0's tile `index` lies in the file.
std::pair<uint64_t, uint64_t> place_of(const std::string& path, size_t index) {
  const TiffTiles tiles(path);
  return {tiles.levels()[0].offsets[index], tiles.levels()[0].bytes[index]};
}

TEST(TiffReader, ADamagedTileIsThatRegionsError) {
  const TemporaryFolder folder;
  const std::string path = write_drawn_slide(folder / "a.tiff", small_spec(2));
  const auto [offset, bytes] = place_of(path, 6);  // of 5 x 4 tiles; the first, the tenth and the last are looked at on opening
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset + bytes / 2));
    file << std::string(bytes / 2, '\xFF');
  }
  const auto slide = open_slide(path);
  ASSERT_EQ(slide->info().reader, "tiff");
  EXPECT_THAT(message_of([&] { read_region(*slide, {256, 256}, 0, {256, 256}); }, ErrorKind::Data), HasSubstr("damaged at (256, 256), level 0"));
  EXPECT_THAT(message_of([&] { read_region(*slide, {500, 500}, 0, {100, 100}); }, ErrorKind::Data), HasSubstr("damaged at (500, 500), level 0"));
  read_region(*slide, {0, 0}, 0, {256, 256});
}

TEST(TiffReader, ADifferenceOnOpeningLeavesTheSlideToOpenSlide) {
  const TemporaryFolder folder;
  const std::string path = write_drawn_slide(folder / "a.tiff", small_spec(2));
  const auto [offset, bytes] = place_of(path, 0);
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset + bytes / 2));
    file << std::string(bytes / 2, '\xFF');
  }
  EXPECT_EQ(open_slide(path)->info().reader, "openslide");
}

/// Two levels of JPEG tiles, of which `missing` of level `bare` is not written.
std::string write_sparse(const std::string& path, const Image& image, const char* description, int bare, uint32_t missing) {
  const TiffHandle tiff(TIFFOpen(path.c_str(), "w"), TIFFClose);
  TIFF* t = tiff.get();
  for (int level = 0; level < 2; ++level) {
    const Image picture = level == 0 ? image : box_downsample(image, 4);
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(picture.width));
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(picture.height));
    TIFFSetField(t, TIFFTAG_TILEWIDTH, 128u);
    TIFFSetField(t, TIFFTAG_TILELENGTH, 128u);
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 3);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_JPEG);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(t, TIFFTAG_SUBFILETYPE, level == 0 || *description ? 0 : FILETYPE_REDUCEDIMAGE);
    if (*description) TIFFSetField(t, TIFFTAG_IMAGEDESCRIPTION, description);
    uint32_t index = 0;
    for (int64_t y = 0; y < picture.height; y += 128)
      for (int64_t x = 0; x < picture.width; x += 128, ++index) {
        if (level == bare && index == missing) continue;
        Image tile = plain(128, 128, 255);
        for (int64_t v = 0; v < std::min<int64_t>(128, picture.height - y); ++v)
          std::copy_n(picture.row(y + v) + 3 * x, 3 * std::min<int64_t>(128, picture.width - x), tile.row(v));
        EXPECT_GT(TIFFWriteEncodedTile(t, index, tile.rgb.data(), std::ssize(tile.rgb)), 0);
      }
    EXPECT_EQ(TIFFWriteDirectory(t), 1);
  }
  return path;
}

TEST(TiffReader, AnAperioSlideThatLacksTilesIsReadByOpenSlide) {
  const TemporaryFolder folder;
  const char* aperio = "Aperio Image Library v11.2.1 \r\n1100x900 (128x128) JPEG/RGB Q=90|AppMag = 20|MPP = 0.5";
  const std::string path = write_sparse(folder / "a.svs", draw_slide(small_spec(2)).image, aperio, 0, 11);
  const auto slide = open_slide(path), reference = open_openslide(path);
  ASSERT_EQ(reference->info().vendor, "aperio");
  EXPECT_EQ(read_level(*slide, 1).rgb, read_level(*reference, 1).rgb);
  EXPECT_EQ(slide->info().reader, "openslide");
}

TEST(TiffReader, WhatAGenericSlideLacksIsWhiteWhereverARegionBegins) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_sparse(folder / "a.tiff", plain(900, 1100, 90), "", 1, 1));
  ASSERT_EQ(slide->info().reader, "tiff");
  for (const int64_t x : {512, 513, 514, 515}) {  // of level 0, a quarter of a pixel of level 1
    const Image part = read_region(*slide, {x + 8, 9}, 1, {100, 100});
    EXPECT_EQ(part.rgb, std::vector<uint8_t>(part.rgb.size(), 255)) << x;
    EXPECT_NEAR(read_region(*slide, {x - 400, 9}, 1, {10, 10}).rgb[0], 90, 2);
  }
}

TEST(TiffReader, ThreadsReadTheSamePixels) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_drawn_slide(folder / "a.tiff", small_spec(4)));
  const Image whole = read_region(*slide, {0, 0}, 0, slide->info().size());
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 40; ++i) {
        const int64_t x = random() % 800, y = random() % 600;
        const Image part = read_region(*slide, {x, y}, 0, {200, 150});
        for (int64_t row = 0; row < 150; ++row) wrong += !std::equal(part.row(row), part.row(row) + 600, whole.row(y + row) + 3 * x);
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace eosin::data
