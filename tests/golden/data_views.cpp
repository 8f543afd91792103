#include "data/color_jitter.h"
#include "data/crop_box.h"
#include "data/gaussian_blur.h"
#include "data/hed_jitter.h"
#include "data/orientation.h"
#include "data/resize.h"
#include "data/tone.h"
#include "data/view.h"
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
Tensor tensor(const std::vector<float>& values, at::IntArrayRef shape) { return at::tensor(values).reshape(shape); }
Image copy(ImageView v) {
  Image out(v.height, v.width);
  for (int64_t y = 0; y < v.height; ++y) std::copy_n(v.row(y), 3 * v.width, out.row(y));
  return out;
}
Box box(const nlohmann::json& c) { return {c.at("top"), c.at("left"), c.at("height"), c.at("width")}; }

Results resize_case(const Case& c) {
  const int64_t h = c.config.at("out_h"), w = c.config.at("out_w");
  const Filter filter = filter_by_name(c.config.at("filter").get<std::string>());
  const Tensor in = c.at("in.image").contiguous();
  if (c.config.at("mode") == "u8") return {{"out.image", tensor(resize(view(in), h, w, filter))}};
  std::vector<float> pixels(h > 0 && w > 0 ? static_cast<size_t>(3 * h * w) : 0);
  resize(planes(in), {pixels.data(), h, w}, filter);
  const Tensor out = tensor(pixels, {3, h, w});
  return {{"out.image", out}};
}

Results crop_resize_case(const Case& c) {
  const auto& k = c.config;
  const Tensor in = c.at("in.image").contiguous();
  return {{"out.image", tensor(crop_resize(view(in), box(k), k.at("out_h"), k.at("out_w"), filter_by_name(k.at("filter").get<std::string>()),
                                           k.at("hflip"), k.at("vflip")))}};
}

Results d4_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous();
  Results results;
  for (int i = 0; i < 8; ++i) results.emplace("out.image_" + std::to_string(i), tensor(d4(view(in), i)));
  return results;
}

/// Runs one of an op's two forms in place, by the case's mode: u8 [H,W,3] or f32 [3,H,W].
template <class OnBytes, class OnPlanes>
Results either(const Case& c, OnBytes on_bytes, OnPlanes on_planes) {
  const Tensor in = c.at("in.image").contiguous();
  if (in.scalar_type() == at::kByte) {
    Image image = copy(view(in));
    on_bytes(image);
    return {{"out.image", tensor(image)}};
  }
  Tensor out = in.clone();
  on_planes(planes_to(out));
  return {{"out.image", out}};
}

Results color_jitter_case(const Case& c) {
  const auto& k = c.config;
  const ColorJitter jitter{k.at("order"), {k.at("brightness"), k.at("contrast"), k.at("saturation"), k.at("hue")}};
  return either(
      c, [&](Image& i) { color_jitter(i, jitter); }, [&](Planes p) { color_jitter(p, jitter); });
}

Results grayscale_case(const Case& c) {
  return either(
      c, [](Image& i) { grayscale(i); }, [](Planes p) { grayscale(p); });
}

Results solarize_case(const Case& c) {
  const double threshold = c.config.at("threshold");
  return either(
      c, [&](Image& i) { solarize(i, static_cast<int>(threshold)); }, [&](Planes p) { solarize(p, static_cast<float>(threshold)); });
}

Results gaussian_blur_case(const Case& c) {
  const auto& k = c.config;
  if (k.at("mode") == "u8_box")
    return either(
        c, [&](Image& i) { box_blur(i, k.at("radius")); }, [](Planes) {});
  return either(
      c, [&](Image& i) { kernel_blur(i, k.at("kernel"), k.at("sigma")); }, [&](Planes p) { kernel_blur(p, k.at("kernel"), k.at("sigma")); });
}

Results normalize_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous();
  Tensor out = at::empty({3, in.size(0), in.size(1)}, at::kFloat);
  normalize(view(in), c.config.at("mean"), c.config.at("std"), planes_to(out));
  return {{"out.image", out}};
}

Results multi_crop_params_case(const Case& c) {
  const auto& k = c.config;
  const Tensor u = c.at("in.u").contiguous();
  const auto boxes =
      multi_crop_boxes(k.at("height"), k.at("width"), {k.at("global_scale"), k.at("ratio")}, k.at("n_global"), {k.at("local_scale"), k.at("ratio")},
                       k.at("n_local"), {u.const_data_ptr<double>(), static_cast<size_t>(u.numel())});
  Tensor out = at::empty({static_cast<int64_t>(boxes.size()), 4}, at::kLong);
  int64_t* to = out.mutable_data_ptr<int64_t>();
  for (const Box& b : boxes)
    for (const int64_t v : {b.top, b.left, b.height, b.width}) *to++ = v;
  return {{"out.boxes", out}};
}

Results view_pipeline_case(const Case& c) {
  const auto& k = c.config;
  const std::array<int64_t, 4> box = k.at("box");
  ViewRule rule;
  rule.size_px = k.at("size");
  ViewParams params;
  params.box = {box[0], box[1], box[2], box[3]};
  params.orientation.hflip = k.at("hflip");
  params.gray = k.at("gray");
  params.solarize = k.at("solarize");
  if (k.at("jitter")) params.jitter = ColorJitter{k.at("order"), k.at("factors")};
  if (k.at("blur") != "none") params.sigma = k.at("radius").get<double>();
  rule.blur = k.at("blur") == "box" ? Blur::kBox : Blur::kKernel;
  const Tensor in = c.at("in.image").contiguous();
  Tensor out = at::empty({3, rule.size_px, rule.size_px}, at::kFloat);
  render_exact(view(in), rule, params, planes_to(out));
  return {{"out.view", out}};
}

Results hed_jitter_case(const Case& c) {
  const Tensor in = c.at("in.rgb").contiguous();
  const std::vector<float> hed = rgb_to_hed(view(in)), rgb = hed_jitter(view(in), {c.config.at("alpha"), c.config.at("beta")});
  return {{"out.hed", tensor(hed, in.sizes())}, {"out.rgb", tensor(rgb, in.sizes())}};
}

}  // namespace

std::vector<Row> data_views_rows() {
  return {{"data.resize", resize_case},
          {"data.crop_resize", crop_resize_case},
          {"data.d4", d4_case},
          {"data.color_jitter", color_jitter_case},
          {"data.grayscale", grayscale_case},
          {"data.gaussian_blur", gaussian_blur_case},
          {"data.solarize", solarize_case},
          {"data.normalize", normalize_case},
          {"data.multi_crop_params", multi_crop_params_case},
          {"data.view_pipeline", view_pipeline_case},
          {"data.hed_jitter", hed_jitter_case}};
}

}  // namespace eosin::golden
