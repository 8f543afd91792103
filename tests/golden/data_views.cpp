#include "data/resize.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using namespace eosin::data;

/// Inputs and results change hands between tensors and pictures here, and nothing else happens.
ImageView view(const Tensor& t) { return {t.const_data_ptr<uint8_t>(), t.size(0), t.size(1), t.size(1) * 3}; }
ConstPlanes planes(const Tensor& t) { return {t.const_data_ptr<float>(), t.size(1), t.size(2), t.size(2), t.size(1) * t.size(2)}; }
Planes planes_to(Tensor& t) { return {t.mutable_data_ptr<float>(), t.size(1), t.size(2)}; }
Tensor tensor(const Image& image) { return at::from_blob(const_cast<uint8_t*>(image.rgb.data()), {image.height, image.width, 3}, at::kByte).clone(); }
Box box(const nlohmann::json& c) { return {c.at("top"), c.at("left"), c.at("height"), c.at("width")}; }

Results resize_case(const Case& c) {
  const int64_t h = c.config.at("out_h"), w = c.config.at("out_w");
  const Filter filter = filter_by_name(c.config.at("filter").get<std::string>());
  const Tensor in = c.at("in.image").contiguous();
  if (c.config.at("mode") == "u8") return {{"out.image", tensor(resize(view(in), h, w, filter))}};
  Tensor out = at::empty({3, h, w}, at::kFloat);
  resize(planes(in), planes_to(out), filter);
  return {{"out.image", out}};
}

Results crop_resize_case(const Case& c) {
  const auto& k = c.config;
  const Tensor in = c.at("in.image").contiguous();
  return {{"out.image", tensor(crop_resize(view(in), box(k), k.at("out_h"), k.at("out_w"), filter_by_name(k.at("filter").get<std::string>()),
                                           k.at("hflip"), k.at("vflip")))}};
}

}  // namespace

std::vector<Row> data_views_rows() { return {{"data.resize", resize_case}, {"data.crop_resize", crop_resize_case}}; }

}  // namespace eosin::golden
