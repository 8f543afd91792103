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

uint16_t number(TIFF* tiff, uint32_t tag) {
  uint16_t value = 0;
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

/// Channels that make a colour; 0 where libtiff's colours are not those of other programs.
int colour_channels(uint16_t photometric) {
  switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
      return 1;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
      return 3;
    case PHOTOMETRIC_SEPARATED:
      return 4;
    default:
      return 0;
  }
}

/// Whether the pixels have a transparency. A fourth channel of RGB that does not say what it is, which libtiff takes for one, is passed over.
bool is_transparent(TIFF* tiff) {
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  return count > 0 && (kinds[0] == EXTRASAMPLE_ASSOCALPHA || kinds[0] == EXTRASAMPLE_UNASSALPHA);
}

/// Refuses what libtiff would make some picture of that is not the one that is meant.
void check_kind(TIFF* tiff, const std::string& where) {
  const uint16_t bits = number(tiff, TIFFTAG_BITSPERSAMPLE), format = number(tiff, TIFFTAG_SAMPLEFORMAT);
  EOSIN_CHECK(bits == 8, Data, "[{}] is a TIFF of {} bits a channel, which holds measurements or a mask and no picture (need 8 bits)", where, bits);
  EOSIN_CHECK(format == SAMPLEFORMAT_UINT || format == SAMPLEFORMAT_VOID, Data,
              "[{}] is a TIFF of signed numbers, which holds measurements and no picture", where);
  const int channels = number(tiff, TIFFTAG_SAMPLESPERPIXEL);
  uint16_t photometric = channels == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;  // where the file does not say, as libtiff has it
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
  const int colour = colour_channels(photometric);
  EOSIN_CHECK(colour > 0 && channels >= colour, Data, "[{}] is a TIFF of {} channels in colour space {}, which is not read; save it as RGB", where,
              channels, photometric);
  EOSIN_CHECK(channels == colour || photometric == PHOTOMETRIC_RGB || (channels == colour + 1 && is_transparent(tiff)), Data,
              "[{}] is a TIFF of {} channels that are not called RGB (photometric interpretation {}), of which one picture cannot be made; save it "
              "as RGB",
              where, channels, photometric);
  const uint16_t orientation = number(tiff, TIFFTAG_ORIENTATION);
  EOSIN_CHECK(orientation <= ORIENTATION_BOTLEFT, Data, "[{}] is a TIFF that is to be turned (orientation {}); save it upright", where, orientation);
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
  check_kind(tiff.get(), where);
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  EOSIN_CHECK(width > 0 && height > 0 && int64_t{width} * height <= kMaxPixels, Data,
              "[{}] is too large (got {} x {}, need at most {} pixels); slides are cut by eosin tile", where, width, height, kMaxPixels);
  Image image(height, width);
  std::vector<uint32_t> pixels(size_t{width} * height);
  const int ok = TIFFReadRGBAImageOriented(tiff.get(), width, height, pixels.data(), ORIENTATION_TOPLEFT, 1);
  EOSIN_CHECK(ok == 1 && message.empty(), Data, "[{}] is damaged: {}", where, message);
  const uint32_t opaque = is_transparent(tiff.get()) ? 0 : 0xFF000000;
  for (size_t i = 0; i < pixels.size(); ++i) put_on_white(pixels[i] | opaque, image.rgb.data() + 3 * i);
  return image;
}

}  // namespace eosin::data
