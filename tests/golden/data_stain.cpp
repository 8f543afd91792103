#include "data/stain_macenko.h"
#include "data/stain_randstainna.h"
#include "data/stain_reinhard.h"
#include "data/stain_vahadane.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using namespace eosin::data;

/// Inputs and results change hands between tensors and pictures here, and nothing else happens.
ImageView view(const Tensor& t) { return {t.const_data_ptr<uint8_t>(), t.size(0), t.size(1), t.size(1) * 3}; }
Tensor tensor(const Image& image) {
  return at::from_blob(const_cast<uint8_t*>(image.rgb.data()), {image.height, image.width, 3}, at::kByte).to(at::kFloat);
}
Tensor corner(const Image& image) { return tensor(image).slice(0, 0, 24).slice(1, 0, 24); }
Tensor vector_f32(const std::vector<double>& v) { return at::tensor(v, at::kFloat); }
Tensor columns(const StainVectors& s) { return at::stack({at::tensor(s.h, at::kDouble), at::tensor(s.e, at::kDouble)}, 1); }

MacenkoRule rule_of(const Case& c) {
  MacenkoRule rule;
  rule.io = c.config.at("Io"), rule.alpha = c.config.at("alpha"), rule.beta = c.config.at("beta");
  return rule;
}

Image mapped(const DensityMap& map, const Tensor& image) {
  Image out;
  apply(map, view(image), out);
  return out;
}

Results macenko_fit_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous();
  const MacenkoRule rule = rule_of(c);
  const StainVectors stains = macenko_fit(view(in), rule).value();
  const auto amounts = macenko_concentrations(view(in), stains, rule.io);
  const Tensor all = at::stack({at::tensor(amounts[0]), at::tensor(amounts[1])});
  return {{"out.HE", columns(stains)}, {"out.C", all.slice(1, 0, all.size(1), 16)}, {"out.maxC", at::tensor(stains.max_c, at::kDouble)}};
}

Results macenko_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous(), target = c.at("in.target").contiguous();
  const MacenkoRule rule = rule_of(c);
  const StainVectors to = macenko_fit(view(target), rule).value(), from = macenko_fit(view(in), rule).value();
  return {{"out.image", tensor(mapped(macenko_map(from, to, rule.io), in))},
          {"out.H", corner(mapped(macenko_map(from, to, rule.io, ShownStains::kHaematoxylin), in))},
          {"out.E", corner(mapped(macenko_map(from, to, rule.io, ShownStains::kEosin), in))}};
}

Results macenko_augment_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous();
  const MacenkoRule rule = rule_of(c);
  const MacenkoJitter jitter{c.config.at("scale"), c.config.at("shift")};
  return {{"out.image", tensor(mapped(macenko_jitter_map(macenko_vectors(view(in), rule).value(), rule.io, jitter), in))}};
}

Results reinhard_fit_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous();
  const LabStatistics s = reinhard_fit(view(in)).value();
  return {{"out.mean", vector_f32(s.mean)}, {"out.std", vector_f32(s.std)}};
}

Results reinhard_case(const Case& c) {
  const Tensor in = c.at("in.image").contiguous(), target = c.at("in.target").contiguous();
  const LabStatistics to = reinhard_fit(view(target)).value(), from = reinhard_fit(view(in)).value();
  Image out;
  apply(reinhard_map(from, to, c.config.at("method") == "modified"), view(in), out);
  return {{"out.image", tensor(out)}};
}

Results randstainna_case(const Case& c) {
  const Tensor in = c.at("in.rgb").contiguous();
  Image image(in.size(0), in.size(1));
  std::copy_n(in.const_data_ptr<uint8_t>(), in.numel(), image.rgb.data());
  randstainna(image, {color_space_by_name(c.config.at("space")), c.config.at("mean"), c.config.at("std")});
  return {{"out.rgb", tensor(image)}};
}

Results vahadane_case(const Case& c) {
  const Tensor in = c.at("in.rgb").contiguous(), he = c.at("in.HE").contiguous();
  const double* v = he.const_data_ptr<double>();
  const std::array<Triple, 2> rows = {{{v[0], v[1], v[2]}, {v[3], v[4], v[5]}}};
  Tensor amounts = at::empty({in.size(0), 2}, at::kDouble), objective = at::empty({in.size(0)}, at::kDouble);
  for (int64_t i = 0; i < in.size(0); ++i) {
    const StainAmounts a = vahadane_amounts(vahadane_density(in.const_data_ptr<uint8_t>() + 3 * i), rows, c.config.at("lambda"));
    std::copy_n(a.c.data(), 2, amounts.mutable_data_ptr<double>() + 2 * i);
    objective.mutable_data_ptr<double>()[i] = a.objective;
  }
  return {{"out.C", amounts}, {"out.objective", objective}};
}

}  // namespace

std::vector<Row> data_stain_rows() {
  return {{"data.macenko_fit", macenko_fit_case},         {"data.macenko", macenko_case},   {"data.macenko_augment", macenko_augment_case},
          {"data.reinhard_fit", reinhard_fit_case},       {"data.reinhard", reinhard_case}, {"data.randstainna", randstainna_case},
          {"data.vahadane_concentrations", vahadane_case}};
}

}  // namespace eosin::golden
