#include "data/picture_record.h"

#include "core/base/error.h"
#include "data/jpeg.h"
#include "data/picture.h"
#include "data/resize.h"

namespace eosin::data {
namespace {

std::span<const uint8_t> span_of(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

}  // namespace

Image pixels_of(const Picture& picture, const std::string& where) {
  if (const auto* pixels = std::get_if<Image>(&picture)) return *pixels;
  return decode_picture(span_of(std::get<std::string>(picture)), where);
}

bool RecordMaker::fits(const Image& image) const { return image.height == format_.tile_height && image.width == format_.tile_width; }

bool RecordMaker::can_copy(const Picture& picture, const Image& image) const {
  const auto* file = std::get_if<std::string>(&picture);
  return file && fits(image) && format_.codec == Codec::kJpeg && is_jpeg(span_of(*file)) && read_jpeg_info(span_of(*file)).baseline;
}

const std::vector<uint8_t>& RecordMaker::record_of(const Picture& picture, const std::string& where) {
  const Image image = pixels_of(picture, where);
  EOSIN_CHECK(fits(image) || config_.resize, Data, "[{}] is {} x {} pixels, the store's tiles are {} x {}; set resize: true, or tile_size_px", where,
              image.width, image.height, format_.tile_width, format_.tile_height);
  if (can_copy(picture, image)) {
    ++counts_.copied;
    const auto bytes = span_of(std::get<std::string>(picture));
    record_.assign(bytes.begin(), bytes.end());
  } else if (fits(image)) {
    encode(image);
  } else {
    ++counts_.resized;
    encode(resize(image, format_.tile_height, format_.tile_width, Filter::kBicubic));
  }
  return record_;
}

void RecordMaker::encode(const Image& image) {
  ++counts_.encoded;
  if (format_.codec == Codec::kRaw)
    record_ = image.rgb;
  else
    encode_jpeg(image, static_cast<int>(config_.encoding.quality), subsampling_from(config_.encoding.subsampling), record_);
}

}  // namespace eosin::data
