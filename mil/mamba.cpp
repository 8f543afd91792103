#include "mil/mamba.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "mil/attention_pool.h"
#include "mil/scan.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace eosin::mil {
namespace {

/// Position i r + j goes to j k + i, k = ceil(L / r): every r-th tile beside each other, zeros at the end.
Tensor strided_order(const Tensor& x_CL, int64_t rate) {
  const int64_t k = (x_CL.size(1) + rate - 1) / rate;
  return at::constant_pad_nd(x_CL, {0, k * rate - x_CL.size(1)}).unflatten(1, {k, rate}).transpose(1, 2).flatten(1);
}
Tensor file_order(const Tensor& x_CL, int64_t rate, int64_t length) {
  return x_CL.unflatten(1, {rate, x_CL.size(1) / rate}).transpose(1, 2).flatten(1).narrow(1, 0, length);
}

}  // namespace

void MambaConfig::validate(config::Problems& p) const {
  if (type == "SRMamba" && rate < 1) p.add("rate", fmt::format("{} is no stride (need at least 1)", rate));
}

MambaMil::Direction MambaMil::make_direction(const std::string& path, bool second) {
  const std::string suffix = second ? "_b" : "";
  const auto conv = torch::nn::Conv1dOptions(inner_, inner_, config_.d_conv).padding(config_.d_conv - 1).groups(inner_);
  Direction d;
  d.conv = module_at(*this, path).register_module("conv1d" + suffix, torch::nn::Conv1d(conv));
  d.x_proj = add_linear(*this, path + ".x_proj" + suffix, inner_, dt_rank_ + 2 * config_.d_state, false);
  d.dt_proj = add_linear(*this, path + ".dt_proj" + suffix, dt_rank_, inner_);
  d.a_log = add_parameter(*this, path + (second ? ".A_b_log" : ".A_log"), {inner_, config_.d_state});
  d.d = add_parameter(*this, path + ".D" + suffix, {inner_});
  return d;
}

MambaMil::MambaMil(const MambaConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      in_dim_(in_dim),
      inner_(config.expand * config.dim),
      dt_rank_((config.dim + 15) / 16),
      fc1_(add_linear(*this, "_fc1.0", in_dim, config.dim)) {
  for (int64_t i = 0; i < config.layers; ++i) {
    const std::string path = fmt::format("layers.{}.", i);
    Layer layer;
    layer.norm = add_norm(*this, path + "0", config.dim);
    layer.in_proj = add_linear(*this, path + "1.in_proj", config.dim, 2 * inner_, false);
    layer.directions.push_back(make_direction(path + "1", false));
    if (config.type != "Mamba") layer.directions.push_back(make_direction(path + "1", true));
    layer.out_proj = add_linear(*this, path + "1.out_proj", inner_, config.dim, false);
    layers_.push_back(layer);
  }
  norm_ = add_norm(*this, "norm", config.dim);
  attention_ = AttentionScores(*this, {config.dim, config.attention_dim, 1, false, true, "tanh"}, {"attention.0", "", "attention.2"});
  classifier_ = add_linear(*this, "classifier", config.dim, n_outputs);
}

/// Steps between 1e-3 and 1e-1 through softplus, states 1 ... n, skips 1, as Mamba begins.
void MambaMil::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < layers_.size(); ++i)
    for (size_t k = 0; k < layers_[i].directions.size(); ++k) {
      Direction& d = layers_[i].directions[k];
      d.a_log.copy_(at::arange(1, config_.d_state + 1).to(at::kFloat).log().expand_as(d.a_log));
      d.d.fill_(1);
      nn::init_uniform(d.dt_proj->bias, 1, seed, fmt::format("layers.{}.dt.{}", i, k));
      const Tensor dt = ((d.dt_proj->bias + 1) / 2 * std::log(100.0) + std::log(1e-3)).exp().clamp_min(1e-4);
      d.dt_proj->bias.copy_(dt + (-at::expm1(-dt)).log());
    }
}

Tensor MambaMil::scan(Direction& direction, const Tensor& xz_CL) const {
  const int64_t length = xz_CL.size(1), n = config_.d_state;
  const auto halves = xz_CL.chunk(2);
  const Tensor a_CL = at::silu(direction.conv(halves[0].unsqueeze(0)).narrow(2, 0, length))[0];
  const auto parts = direction.x_proj(a_CL.t()).t().split_with_sizes({dt_rank_, n, n});
  ScanInputs in;
  in.u_BdL = a_CL.unsqueeze(0);
  in.delta_BdL = direction.dt_proj->weight.matmul(parts[0]).unsqueeze(0);
  in.a_dn = -direction.a_log.exp();
  in.b_BnL = parts[1].unsqueeze(0), in.c_BnL = parts[2].unsqueeze(0);
  in.d_d = direction.d, in.delta_bias_d = direction.dt_proj->bias, in.z_BdL = halves[1].unsqueeze(0);
  in.delta_softplus = true;
  return selective_scan(in)[0];
}

Tensor MambaMil::mix(Layer& layer, const Tensor& x_nE) const {
  const Tensor xz_CL = layer.in_proj(layer.norm(x_nE)).t();
  Tensor y_CL = scan(layer.directions[0], xz_CL);
  if (config_.type == "BiMamba") y_CL = y_CL + scan(layer.directions[1], xz_CL.flip(1)).flip(1);
  if (config_.type == "SRMamba") y_CL = y_CL + file_order(scan(layer.directions[1], strided_order(xz_CL, config_.rate)), config_.rate, xz_CL.size(1));
  return layer.out_proj(y_CL.t());
}

HeadOutput MambaMil::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Tensor x_NE = Dropout(pass, bags.offsets)(project(fc1_, bags.features_ND).relu(), config_.dropout, 0);
  std::vector<Tensor> mixed;
  for (Tensor x : split_bags(x_NE, bags.offsets)) {
    for (Layer& layer : layers_) x = x + mix(layer, x);
    mixed.push_back(norm_(x));
  }
  const Tensor h_NE = at::cat(mixed);
  const Pooled pooled = attention_pool(attention_(h_NE), h_NE, bags.offsets);
  HeadOutput out;
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
  out.embedding_BE = pooled.embedding_BKE.select(1, 0);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
