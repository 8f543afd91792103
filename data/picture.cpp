#include "data/picture.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/png.h"
#include "data/tiff_picture.h"

namespace eosin::data {

bool is_jpeg(std::span<const uint8_t> bytes) { return bytes.size() > 2 && bytes[0] == 0xFF && bytes[1] == 0xD8; }

Image decode_picture(std::span<const uint8_t> bytes, const std::string& where) {
  if (bytes.size() > 4 && bytes[0] == 0x89 && bytes[1] == 'P') return decode_png(bytes, where);
  if (is_tiff(bytes)) return decode_tiff(bytes, where);
  EOSIN_CHECK(is_jpeg(bytes), Data, "[{}] is neither a JPEG, nor a PNG or a TIFF", where);
  Image image;
  try {
    decode_jpeg(bytes, image);
  } catch (const Error& e) {
    fail(e.kind(), "[{}] {}", where, e.what());
  }
  return image;
}

}  // namespace eosin::data
