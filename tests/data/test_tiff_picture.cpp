// Pictures in TIFF: what libtiff makes of a file is only taken where it is the picture that is meant.
#include "data/tiff_picture.h"

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "data/tiff_file.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace eosin::data {
namespace {

using testing::HasSubstr;

constexpr int64_t kHeight = 13, kWidth = 17;

struct Written {
  uint16_t channels = 3, photometric = PHOTOMETRIC_RGB, compression = COMPRESSION_NONE;
  std::vector<uint16_t> extra = {};
  std::optional<uint16_t> format = {}, orientation = {};
};

/// Every byte tells its place; the channels after the third are `rest`.
uint8_t value(int64_t y, int64_t x, int c, uint8_t rest) { return c < 3 ? static_cast<uint8_t>(3 * y + 5 * x + 40 * c) : rest; }

std::vector<uint8_t> written(const Written& w, uint8_t rest = 0) {
  const TemporaryFolder folder;
  {
    const TiffHandle tiff(TIFFOpen((folder / "a.tif").c_str(), "w"), TIFFClose);
    TIFF* t = tiff.get();
    TIFFSetField(t, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(kWidth));
    TIFFSetField(t, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(kHeight));
    TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, w.channels);
    TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(t, TIFFTAG_PHOTOMETRIC, w.photometric);
    TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(t, TIFFTAG_COMPRESSION, w.compression);
    TIFFSetField(t, TIFFTAG_ROWSPERSTRIP, static_cast<uint32_t>(kHeight));
    if (!w.extra.empty()) TIFFSetField(t, TIFFTAG_EXTRASAMPLES, static_cast<uint16_t>(w.extra.size()), w.extra.data());
    if (w.format) TIFFSetField(t, TIFFTAG_SAMPLEFORMAT, *w.format);
    if (w.orientation) TIFFSetField(t, TIFFTAG_ORIENTATION, *w.orientation);
    for (int64_t y = 0; y < kHeight; ++y) {
      std::vector<uint8_t> row;
      for (int64_t x = 0; x < kWidth; ++x)
        for (int c = 0; c < w.channels; ++c) row.push_back(value(y, x, c, rest));
      EXPECT_EQ(TIFFWriteScanline(t, row.data(), static_cast<uint32_t>(y)), 1);
    }
  }
  const std::string bytes = read_file(folder / "a.tif");
  return {bytes.begin(), bytes.end()};
}

Image expected(bool grey = false) {
  Image image(kHeight, kWidth);
  for (int64_t y = 0; y < kHeight; ++y)
    for (int64_t x = 0; x < kWidth; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[3 * x + c] = value(y, x, grey ? 0 : c, 0);
  return image;
}

std::string refusal(const std::vector<uint8_t>& bytes) {
  return message_of([&] { decode_tiff(bytes, "t.tif"); }, ErrorKind::Data);
}

TEST(TiffPicture, ChannelsThatDoNotSayWhatTheyAreArePassedOver) {
  for (const uint8_t rest : {0, 128, 255}) {
    EXPECT_EQ(decode_tiff(written({.channels = 4, .extra = {EXTRASAMPLE_UNSPECIFIED}}, rest), "").rgb, expected().rgb) << int{rest};
    EXPECT_EQ(decode_tiff(written({.channels = 5, .extra = {EXTRASAMPLE_UNSPECIFIED, EXTRASAMPLE_UNSPECIFIED}}, rest), "").rgb, expected().rgb);
  }
}

TEST(TiffPicture, TransparencyShowsWhite) {
  for (const uint16_t kind : {EXTRASAMPLE_ASSOCALPHA, EXTRASAMPLE_UNASSALPHA}) {
    EXPECT_EQ(decode_tiff(written({.channels = 4, .extra = {kind}}, 255), "").rgb, expected().rgb);
    const Image clear = decode_tiff(written({.channels = 4, .extra = {EXTRASAMPLE_UNASSALPHA}}, 0), "");
    EXPECT_EQ(clear.rgb, std::vector<uint8_t>(clear.rgb.size(), 255));
  }
}

TEST(TiffPicture, GreyIsRepeated) {
  EXPECT_EQ(decode_tiff(written({.channels = 1, .photometric = PHOTOMETRIC_MINISBLACK}), "").rgb, expected(true).rgb);
}

TEST(TiffPicture, MeasurementsAreNoPictures) {
  const std::vector<uint16_t> two(2, EXTRASAMPLE_UNSPECIFIED), four(4, EXTRASAMPLE_UNSPECIFIED);
  EXPECT_THAT(refusal(written({.channels = 3, .photometric = PHOTOMETRIC_MINISBLACK, .extra = two})),
              HasSubstr("3 channels that are not called RGB"));
  EXPECT_THAT(refusal(written({.channels = 5, .photometric = PHOTOMETRIC_MINISBLACK, .extra = four})), HasSubstr("5 channels"));
  EXPECT_THAT(refusal(written({.format = SAMPLEFORMAT_INT})), HasSubstr("signed numbers"));
  EXPECT_THAT(refusal(written({.photometric = PHOTOMETRIC_CIELAB})), HasSubstr("colour space 8"));
}

TEST(TiffPicture, MirroredIsUprightAndTurnedIsRefused) {
  const Image mirrored = decode_tiff(written({.orientation = ORIENTATION_TOPRIGHT}), "");
  for (int64_t x = 0; x < kWidth; ++x) EXPECT_EQ(mirrored.row(2)[3 * x], expected().row(2)[3 * (kWidth - 1 - x)]);
  EXPECT_THAT(refusal(written({.orientation = ORIENTATION_RIGHTTOP})), HasSubstr("orientation 6"));
}

TEST(TiffPicture, ADamagedJpegStreamIsAnError) {
  std::vector<uint8_t> bytes = written({.compression = COMPRESSION_JPEG});
  decode_tiff(bytes, "whole");
  std::string message;
  TiffBytes memory{bytes};
  const TiffHandle tiff = open_tiff(memory, message);
  const uint64_t *offsets = nullptr, *sizes = nullptr;
  ASSERT_TRUE(TIFFGetField(tiff.get(), TIFFTAG_STRIPOFFSETS, &offsets) && TIFFGetField(tiff.get(), TIFFTAG_STRIPBYTECOUNTS, &sizes));
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offsets[0] + sizes[0] * 3 / 4), sizes[0] / 4, uint8_t{0xFF});
  EXPECT_THAT(refusal(bytes), HasSubstr("is damaged"));
}

}  // namespace
}  // namespace eosin::data
