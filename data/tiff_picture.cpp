#include "data/tiff_picture.h"

#include "core/base/error.h"
#include "data/tiff_file.h"

#include <algorithm>

namespace eosin::data {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 26;

/// libtiff's pixel, premultiplied, on white.
void put_on_white(uint32_t abgr, uint8_t* rgb) {
  const uint32_t white = 255 - TIFFGetA(abgr);
  rgb[0] = static_cast<uint8_t>(std::min(255u, TIFFGetR(abgr) + white));
  rgb[1] = static_cast<uint8_t>(std::min(255u, TIFFGetG(abgr) + white));
  rgb[2] = static_cast<uint8_t>(std::min(255u, TIFFGetB(abgr) + white));
}

}  // namespace

bool is_tiff(std::span<const uint8_t> bytes) {
  return bytes.size() >= 4 && begins_as_tiff(std::string_view(reinterpret_cast<const char*>(bytes.data()), 4));
}

Image decode_tiff(std::span<const uint8_t> bytes, const std::string& where) {
  std::string message;
  TiffBytes memory{bytes};
  const TiffHandle tiff = open_tiff(memory, message);
  EOSIN_CHECK(tiff, Data, "[{}] is no whole TIFF: {}", where, message);
  uint32_t width = 0, height = 0;
  uint16_t bits = 1;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_BITSPERSAMPLE, &bits);
  EOSIN_CHECK(bits == 8, Data, "[{}] is a TIFF of {} bits a channel, which holds measurements or a mask and no picture (need 8 bits)", where, bits);
  EOSIN_CHECK(width > 0 && height > 0 && int64_t{width} * height <= kMaxPixels, Data,
              "[{}] is too large (got {} x {}, need at most {} pixels); slides are cut by eosin tile", where, width, height, kMaxPixels);
  Image image(height, width);
  std::vector<uint32_t> pixels(size_t{width} * height);
  const int ok = TIFFReadRGBAImageOriented(tiff.get(), width, height, pixels.data(), ORIENTATION_TOPLEFT, 1);
  EOSIN_CHECK(ok == 1, Data, "[{}] is damaged: {}", where, message);
  for (size_t i = 0; i < pixels.size(); ++i) put_on_white(pixels[i], image.rgb.data() + 3 * i);
  return image;
}

}  // namespace eosin::data
