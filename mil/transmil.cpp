#include "mil/transmil.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "mil/dropout.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace eosin::mil {
namespace {

/// ceil(sqrt(n)), exactly.
int64_t square_side(int64_t n) {
  auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
  while (side * side < n) ++side;
  return side;
}

}  // namespace

void TransMilConfig::validate(config::Problems& p) const {
  if (dim % 8 != 0) p.add("dim", fmt::format("{} is no multiple of 8 (nearest: {})", dim, (dim + 7) / 8 * 8));
  if (residual_conv_kernel % 2 == 0) p.add("residual_conv_kernel", fmt::format("{} is even (need an odd number)", residual_conv_kernel));
}

TransMil::Layer TransMil::make_layer(const std::string& name) {
  NystromOptions o;
  o.dim = config_.dim, o.heads = config_.heads, o.dim_head = config_.dim / 8;
  o.num_landmarks = config_.num_landmarks.value_or(config_.dim / 2);
  o.pinv_iterations = config_.pinv_iterations, o.residual_conv_kernel = config_.residual_conv_kernel, o.pinv_scale = config_.pinv_scale;
  o.keep = config_.compat.empty() ? "last" : "first";
  o.exact = config_.attention == "exact";
  Layer layer;
  layer.norm = add_norm(*this, name + ".norm", config_.dim);
  layer.attn = module_at(*this, name).register_module("attn", NystromAttention(o));
  return layer;
}

TransMil::TransMil(const TransMilConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      in_dim_(in_dim),
      fc1_(add_linear(*this, "_fc1.0", in_dim, config.dim)),
      fc2_(add_linear(*this, "_fc2", config.dim, n_outputs)),
      cls_token_(add_parameter(*this, "cls_token", {1, 1, config.dim})),
      layer1_(make_layer("layer1")),
      layer2_(make_layer("layer2")),
      pos_layer_(register_module("pos_layer", Ppeg(config.dim))),
      norm_(add_norm(*this, "norm", config.dim)) {}

void TransMil::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  nn::init_normal(cls_token_, 1, seed, "cls_token");
}

Tensor TransMil::with_class_token(const Tensor& h_ND, int64_t side) {
  std::vector<Tensor> rows = {cls_token_[0], h_ND};
  for (int64_t missing = side * side - h_ND.size(0); missing > 0; missing -= rows.back().size(0))
    rows.push_back(h_ND.narrow(0, 0, std::min(missing, h_ND.size(0))));
  return at::cat(rows).unsqueeze(0);
}

Tensor TransMil::attend(Layer& layer, const Tensor& x_1nD, const Pass& pass, uint32_t number) {
  Tensor mask;
  if (config_.mask_padding) mask = at::ones({1, x_1nD.size(1)}, x_1nD.options().dtype(at::kBool));
  const Tensor y = layer.attn(layer.norm(x_1nD), mask);
  return x_1nD + Dropout(pass, {0, y.size(1)})(y[0], config_.dropout, number).unsqueeze(0);
}

HeadOutput TransMil::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  std::vector<Tensor> tokens, attention;
  int64_t b = 0;
  for (const Tensor& h_ND : split_bags(project(fc1_, bags.features_ND).relu(), bags.offsets)) {
    const Pass one = pass_of_bag(pass, b++);
    const int64_t side = square_side(h_ND.size(0));
    Tensor x = with_class_token(h_ND, side);
    if (!at::GradMode::is_enabled()) attention.push_back(layer1_.attn->attention_row(layer1_.norm(x), 0).narrow(1, 1, h_ND.size(0)));
    x = attend(layer1_, x, one, 0);
    x = pos_layer_(x, side, side);
    x = attend(layer2_, x, one, 1);
    tokens.push_back(norm_(x[0][0]));
  }
  HeadOutput out;
  out.embedding_BE = at::stack(tokens);
  out.logits_BC = fc2_(out.embedding_BE);
  if (!attention.empty()) out.attention_KN = at::cat(attention, 1);
  return out;
}

}  // namespace eosin::mil
