#include "data/ome_tiff_reader.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/slide_scale.h"
#include "data/tiff_file.h"
#include "tests/data/slide_fixture.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace eosin::data {
namespace {

using testing::HasSubstr;

constexpr const char* kXml =
    "<?xml version=\"1.0\"?><OME><Instrument><Objective NominalMagnification=\"40.0\"/></Instrument><Image><Pixels PhysicalSizeX=\"0.25\" "
    "PhysicalSizeXUnit=\"um\" PhysicalSizeY=\"250\" PhysicalSizeYUnit=\"nm\"/></Image></OME>";
constexpr int64_t kTile = 128;

struct Written {
  uint16_t compression = COMPRESSION_JPEG, planar = PLANARCONFIG_CONTIG, bits = 8;
  bool jfif_called_rgb = false;  // as Bio-Formats does: streams of YCbCr with a JFIF marker, TIFF tag RGB
};

void write_directory(TIFF* tiff, const Image& image, const Written& w, bool reduced, uint16_t n_sub, const char* xml = kXml) {
  const bool jpeg = w.compression == COMPRESSION_JPEG;
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(image.width));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(image.height));
  TIFFSetField(tiff, TIFFTAG_TILEWIDTH, static_cast<uint32_t>(kTile));
  TIFFSetField(tiff, TIFFTAG_TILELENGTH, static_cast<uint32_t>(kTile));
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, w.bits);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, w.planar);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, w.compression);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
  if (reduced) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
  if (!reduced && xml) TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, xml);
  if (const std::vector<uint64_t> later(n_sub); n_sub > 0) TIFFSetField(tiff, TIFFTAG_SUBIFD, n_sub, later.data());
  uint32_t index = 0;
  for (int plane = 0; plane < (w.planar == PLANARCONFIG_SEPARATE ? 3 : 1); ++plane)
    for (int64_t y = 0; y < image.height; y += kTile)
      for (int64_t x = 0; x < image.width; x += kTile, ++index) {
        Image tile = plain(kTile, kTile, 7);
        for (int64_t v = 0; v < std::min(kTile, image.height - y); ++v)
          std::copy_n(image.row(y + v) + 3 * x, 3 * std::min(kTile, image.width - x), tile.row(v));
        std::vector<uint8_t> bytes = tile.rgb;
        if (w.planar == PLANARCONFIG_SEPARATE) {
          bytes.resize(kTile * kTile);
          for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = tile.rgb[3 * i + static_cast<size_t>(plane)];
        }
        bytes.resize(bytes.size() * w.bits / 8);
        if (jpeg && w.jfif_called_rgb) {
          encode_jpeg(tile, 90, Subsampling::k420, bytes);
          ASSERT_GT(TIFFWriteRawTile(tiff, index, bytes.data(), static_cast<tmsize_t>(bytes.size())), 0);
        } else {
          ASSERT_GT(TIFFWriteEncodedTile(tiff, index, bytes.data(), static_cast<tmsize_t>(bytes.size())), 0);
        }
      }
  ASSERT_TRUE(TIFFWriteDirectory(tiff));
}

/// A picture with two smaller versions in its sub-directories.
std::string write_ome(const std::string& path, const Image& image, const Written& w) {
  const TiffHandle tiff(TIFFOpen(path.c_str(), "w8"), TIFFClose);
  write_directory(tiff.get(), image, w, false, 2);
  write_directory(tiff.get(), box_downsample(image, 2), w, true, 0);
  write_directory(tiff.get(), box_downsample(image, 4), w, true, 0);
  return path;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(static_cast<int>(a.rgb[i]) - static_cast<int>(b.rgb[i]));
  return sum / static_cast<double>(a.rgb.size());
}

class OmeCompression : public testing::TestWithParam<Written> {};
INSTANTIATE_TEST_SUITE_P(All, OmeCompression,
                         testing::Values(Written{COMPRESSION_NONE}, Written{COMPRESSION_LZW}, Written{COMPRESSION_ADOBE_DEFLATE},
                                         Written{COMPRESSION_LZW, PLANARCONFIG_SEPARATE}));

TEST_P(OmeCompression, ReadsEveryPixelOfEveryLevel) {
  const TemporaryFolder folder;
  const Image image = ramp(389, 523);
  const auto slide = open_slide(write_ome(folder / "a.ome.tif", image, GetParam()));
  ASSERT_EQ(slide->info().reader, "ome-tiff");
  ASSERT_EQ(slide->info().dimensions.size(), 3u);
  EXPECT_EQ(read_level(*slide, 0).rgb, image.rgb);
  EXPECT_EQ(read_level(*slide, 1).rgb, box_downsample(image, 2).rgb);
  EXPECT_EQ(read_level(*slide, 2).rgb, box_downsample(image, 4).rgb);
  EXPECT_FALSE(slide->has_jpeg_stream({0, 0}, 0, {kTile, kTile}));
}

TEST(OmeTiff, TheStreamsMarkerSaysItsColours) {
  const TemporaryFolder folder;
  const Image image = draw_slide(small_spec(2, 400, 300)).image;
  const auto marked = open_slide(write_ome(folder / "jfif.ome.tif", image, {.jfif_called_rgb = true}));
  EXPECT_LT(mean_difference(read_level(*marked, 0), image), 4);
  const auto unmarked = open_slide(write_ome(folder / "rgb.ome.tif", image, {}));  // libtiff writes RGB streams without a marker
  EXPECT_LT(mean_difference(read_level(*unmarked, 0), image), 4);
  Image tile;
  decode_jpeg(unmarked->jpeg_stream({128, 0}, 0, {kTile, kTile}), tile);
  EXPECT_EQ(tile.rgb, read_region(*unmarked, {128, 0}, 0, {kTile, kTile}).rgb);
}

TEST(OmeTiff, TheScaleIsThatOfItsXml) {
  const TemporaryFolder folder;
  const auto slide = open_slide(write_ome(folder / "a.ome.tif", ramp(300, 400), {COMPRESSION_LZW}));
  const Scale scale = resolve_scale(slide->info());
  EXPECT_DOUBLE_EQ(scale.mpp, 0.25);
  EXPECT_EQ(scale.source, "ome.PhysicalSizeX");
  EXPECT_EQ(slide->info().objective, 40);
}

TEST(OmeTiff, TheScaleIsThatOfThePictureThatIsRead) {
  const TemporaryFolder folder;
  const char* xml =
      "<OME><Image ID=\"Image:0\" Name=\"macro\"><Pixels SizeX=\"100\" SizeY=\"75\" PhysicalSizeX=\"8\" PhysicalSizeY=\"8\"/></Image>"
      "<Image ID=\"Image:1\"><Pixels PhysicalSizeX=\"0.25\" PhysicalSizeY=\"0.25\" SizeX=\"400\" SizeY=\"300\"/></Image></OME>";
  const std::string path = folder / "a.ome.tif";
  {
    const TiffHandle tiff(TIFFOpen(path.c_str(), "w8"), TIFFClose);
    write_directory(tiff.get(), ramp(75, 100), {COMPRESSION_LZW}, false, 0, xml);
    write_directory(tiff.get(), ramp(300, 400), {COMPRESSION_LZW}, false, 0, nullptr);
  }
  const auto slide = open_slide(path);
  EXPECT_EQ(slide->info().size(), (Size{400, 300}));
  EXPECT_DOUBLE_EQ(resolve_scale(slide->info()).mpp, 0.25);
}

TEST(OmeTiff, LeavesOtherPixelsToOpenSlideOrRefusesThem) {
  const TemporaryFolder folder;
  const std::string deep = write_ome(folder / "deep.ome.tif", ramp(300, 400), {COMPRESSION_LZW, PLANARCONFIG_CONTIG, 16});
  EXPECT_EQ(open_slide(deep)->info().reader, "openslide");

  const std::string strips = folder / "strips.ome.tif";
  {
    const TiffHandle tiff(TIFFOpen(strips.c_str(), "w"), TIFFClose);
    TIFFSetField(tiff.get(), TIFFTAG_IMAGEWIDTH, 100);
    TIFFSetField(tiff.get(), TIFFTAG_IMAGELENGTH, 1);
    TIFFSetField(tiff.get(), TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(tiff.get(), TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff.get(), TIFFTAG_IMAGEDESCRIPTION, kXml);
    std::vector<uint8_t> row(100);
    ASSERT_EQ(TIFFWriteScanline(tiff.get(), row.data(), 0, 0), 1);
  }
  EXPECT_THAT(message_of([&] { open_slide(strips); }, ErrorKind::Data), HasSubstr("without a tiled picture of 8-bit RGB"));
}

TEST(OmeTiff, DamageIsThatRegionsError) {
  const TemporaryFolder folder;
  const std::string path = write_ome(folder / "a.ome.tif", ramp(300, 400), {COMPRESSION_ADOBE_DEFLATE});
  const auto whole = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(40);
    file << std::string(200, '\xFF');
  }
  const auto slide = open_slide(path);
  EXPECT_THAT(message_of([&] { read_region(*slide, {0, 0}, 0, {kTile, kTile}); }, ErrorKind::Data), HasSubstr("damaged at (0, 0), level 0"));
  read_region(*slide, {256, 128}, 0, {100, 100});
  std::filesystem::resize_file(path, whole / 2);
  EXPECT_THROW(open_slide(path), Error);
}

TEST(OmeTiff, RealCropsAreReadAtTheirScale) {
  for (const char* name : {"OS-1-detail.ome.tif", "OS-2-ndpi.ome.tif", "OS-2-vsi.ome.tif"}) {
    const std::string path = real_slide(std::string("os-crops-ometiff/") + name);
    if (path.empty()) GTEST_SKIP() << "the shared slides are not here";
    const auto slide = open_slide(path);
    EXPECT_EQ(slide->info().reader, "ome-tiff");
    EXPECT_NEAR(resolve_scale(slide->info()).mpp, std::string(name) == "OS-2-vsi.ome.tif" ? 0.34605 : 0.22710, 1e-5);
    const Image tile = read_region(*slide, {0, 0}, 0, {512, 512});
    Image stream;
    decode_jpeg(slide->jpeg_stream({0, 0}, 0, {512, 512}), stream);
    EXPECT_EQ(tile.rgb, stream.rgb);
  }
}

}  // namespace
}  // namespace eosin::data
