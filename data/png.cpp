#include "data/png.h"

#include "core/base/error.h"

#include <png.h>

#include <algorithm>
#include <filesystem>

namespace eosin::data {
namespace {

constexpr int64_t kMaxMaskPixels = 400'000'000, kMaxMaskBytes = int64_t{1} << 30;
constexpr int64_t kMaxPicturePixels = int64_t{1} << 26;

/// libpng's simplified interface; freed on every way out.
struct Png {
  png_image image{};
  Png() { image.version = PNG_IMAGE_VERSION; }
  ~Png() { png_image_free(&image); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;
};

}  // namespace

Mask read_mask_png(const std::string& path) {
  EOSIN_CHECK(std::filesystem::is_regular_file(path), Io, "[png] '{}' does not exist", path);
  Png png;
  EOSIN_CHECK(png_image_begin_read_from_file(&png.image, path.c_str()), Data, "[png] '{}' is not a PNG: {}", path, png.image.message);
  const int64_t height = png.image.height, width = png.image.width;
  // In the file's own depth and colours: a label of 1 in 16 bits, or in one of three channels, is 0 in 8 bits of grey.
  png.image.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_LINEAR;
  const size_t pixel = PNG_IMAGE_PIXEL_SIZE(png.image.format);
  const int64_t most = std::min(kMaxMaskPixels, kMaxMaskBytes / static_cast<int64_t>(pixel));
  EOSIN_CHECK(height * width <= most, Data, "[png] '{}' is too large (got {} x {}, need at most {} pixels)", path, width, height, most);
  std::vector<uint8_t> values(static_cast<size_t>(height * width) * pixel);
  const png_color black{0, 0, 0};
  EOSIN_CHECK(png_image_finish_read(&png.image, &black, values.data(), 0, nullptr), Data, "[png] '{}' is damaged: {}", path, png.image.message);
  Mask mask(height, width);
  for (size_t i = 0; i < mask.cells.size(); ++i) {
    const uint8_t* value = values.data() + i * pixel;
    mask.cells[i] = std::any_of(value, value + pixel, [](uint8_t v) { return v != 0; });
  }
  return mask;
}

GrayPicture read_gray_png(const std::string& path) {
  EOSIN_CHECK(std::filesystem::is_regular_file(path), Io, "[png] '{}' does not exist", path);
  Png png;
  EOSIN_CHECK(png_image_begin_read_from_file(&png.image, path.c_str()), Data, "[png] '{}' is not a PNG: {}", path, png.image.message);
  EOSIN_CHECK((png.image.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA)) == 0, Data,
              "[png] '{}' has colours or transparency (need grey, whose values are the labels)", path);
  GrayPicture picture{png.image.height, png.image.width, {}};
  const int64_t pixels = picture.height * picture.width;
  EOSIN_CHECK(pixels <= kMaxMaskPixels, Data, "[png] '{}' is too large (got {} x {}, need at most {} pixels)", path, picture.width, picture.height,
              kMaxMaskPixels);
  const bool deep = (png.image.format & PNG_FORMAT_FLAG_LINEAR) != 0;
  png.image.format = deep ? PNG_FORMAT_LINEAR_Y : PNG_FORMAT_GRAY;
  picture.values.resize(static_cast<size_t>(pixels));
  std::vector<uint8_t> shallow(deep ? 0 : static_cast<size_t>(pixels));
  void* into = deep ? static_cast<void*>(picture.values.data()) : shallow.data();
  EOSIN_CHECK(png_image_finish_read(&png.image, nullptr, into, 0, nullptr), Data, "[png] '{}' is damaged: {}", path, png.image.message);
  if (!deep) picture.values.assign(shallow.begin(), shallow.end());
  return picture;
}

Image decode_png(std::span<const uint8_t> bytes, const std::string& where) {
  Png png;
  EOSIN_CHECK(png_image_begin_read_from_memory(&png.image, bytes.data(), bytes.size()), Data, "[{}] is not a PNG: {}", where, png.image.message);
  EOSIN_CHECK((png.image.format & PNG_FORMAT_FLAG_LINEAR) == 0, Data,
              "[{}] is a PNG of 16 bits a channel, which holds measurements or a mask and no picture (need 8 bits)", where);
  const int64_t height = png.image.height, width = png.image.width;
  EOSIN_CHECK(height * width <= kMaxPicturePixels, Data, "[{}] is too large (got {} x {}, need at most {} pixels)", where, width, height,
              kMaxPicturePixels);
  png.image.format = PNG_FORMAT_RGB;
  Image image(height, width);
  const png_color white{255, 255, 255};
  EOSIN_CHECK(png_image_finish_read(&png.image, &white, image.rgb.data(), 0, nullptr), Data, "[{}] is damaged: {}", where, png.image.message);
  return image;
}

void write_mask_png(const std::string& path, const Mask& mask) {
  std::vector<uint8_t> grey(mask.cells.size());
  std::transform(mask.cells.begin(), mask.cells.end(), grey.begin(), [](uint8_t c) { return static_cast<uint8_t>(c ? 255 : 0); });
  Png png;
  png.image.height = static_cast<png_uint_32>(mask.height);
  png.image.width = static_cast<png_uint_32>(mask.width);
  png.image.format = PNG_FORMAT_GRAY;
  const int ok = png_image_write_to_file(&png.image, path.c_str(), 0, grey.data(), static_cast<png_int_32>(mask.width), nullptr);
  EOSIN_CHECK(ok, Io, "[png] cannot write '{}': {}", path, png.image.message);
}

std::vector<uint8_t> encode_png(const ImageView& image) {
  Png png;
  png.image.height = static_cast<png_uint_32>(image.height);
  png.image.width = static_cast<png_uint_32>(image.width);
  png.image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png.image);
  std::vector<uint8_t> bytes(size);
  const int ok = png_image_write_to_memory(&png.image, bytes.data(), &size, 0, image.rgb, static_cast<png_int_32>(image.stride), nullptr);
  EOSIN_CHECK(ok, Io, "[png] cannot encode a picture of {} x {}: {}", image.width, image.height, png.image.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace eosin::data
