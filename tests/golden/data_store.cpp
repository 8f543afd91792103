#include "tests/golden/runner.h"

#include "data/jpeg.h"

#include <ATen/ATen.h>

#include <span>

namespace eosin::golden {
namespace {

std::span<const uint8_t> span_of(const std::string& bytes) { return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}; }

Tensor bytes_tensor(std::span<const uint8_t> bytes) {
  return at::from_blob(const_cast<uint8_t*>(bytes.data()), {static_cast<int64_t>(bytes.size())}, at::kByte).clone();
}

Tensor picture(const data::Image& image) { return bytes_tensor(image.rgb).view({image.height, image.width, 3}); }

data::Image decoded(std::span<const uint8_t> bytes, const nlohmann::json& config) {
  data::JpegLimits limits;
  limits.max_pixels = config.value("max_pixels", limits.max_pixels);
  data::Image image;
  data::decode_jpeg(bytes, image, limits);
  return image;
}

Results jpeg(const Case& c) {
  const std::string bytes = c.bytes("in.bytes");
  if (!c.has("in.tables")) return {{"out.rgb", picture(decoded(span_of(bytes), c.config))}};
  const std::string tables = c.bytes("in.tables");
  const auto merged = data::merge_jpeg_tables(span_of(tables), span_of(bytes), c.config.value("photometric", 6) == 2);
  return {{"out.rgb", picture(decoded(merged, c.config))}};
}

Results jpeg_encode(const Case& c) {
  const Tensor rgb = c.at("in.rgb").contiguous();
  std::vector<uint8_t> stream;
  data::encode_jpeg({rgb.const_data_ptr<uint8_t>(), rgb.size(0), rgb.size(1), rgb.size(1) * 3}, c.config["quality"],
                    data::subsampling_from(c.config["subsampling"]), stream);
  return {{"out.decoded", picture(decoded(stream, c.config)).to(at::kFloat)}};
}

}  // namespace

std::vector<Row> data_store_rows() {
  return {
      {"data.jpeg", jpeg},
      {"data.jpeg_encode", jpeg_encode},
  };
}

}  // namespace eosin::golden
