#include "mil/rrt.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/init.h"
#include "mil/dropout.h"
#include "mil/heads.h"
#include "mil/region_grid.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::mil {
namespace {

constexpr int64_t kCrossRegions = 8;
constexpr double kEps = 1e-8;

/// q, k, v [sequences, heads, tokens, width]; q scaled.
std::vector<Tensor> heads_of(const Tensor& qkv_StE, int64_t heads) {
  auto parts = qkv_StE.unflatten(2, {3, heads, -1}).permute({2, 0, 3, 1, 4}).unbind(0);
  parts[0] = parts[0] / std::sqrt(static_cast<double>(parts[0].size(3)));
  return parts;
}

Tensor merged(const Tensor& x_SHtd) { return x_SHtd.transpose(1, 2).flatten(2); }

}  // namespace

RrtConfig::RrtConfig() : head(head_table(), "abmil") {}

void RrtConfig::validate(config::Problems& p) const {
  if (dim % heads != 0) p.add("dim", fmt::format("{} is no multiple of heads={}", dim, heads));
  if (dim % crmsa_heads != 0) p.add("dim", fmt::format("{} is no multiple of crmsa_heads={}", dim, crmsa_heads));
  if (epeg_k % 2 == 0) p.add("epeg_k", fmt::format("{} is even (need an odd number)", epeg_k));
  if (head.name() == "rrt" || head.name() == "mhim") p.add("head.name", head.name() + " cannot stand behind rrt");
}

Rrt::Rrt(const RrtConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  embed_ = add_linear(*this, "patch_to_emb.0", in_dim, dim);
  const std::string layer = "online_encoder.layers.0.", cross = "online_encoder.cr_msa.";
  norm1_ = add_norm(*this, layer + "norm", dim);
  qkv_ = add_linear(*this, layer + "attn.attn.qkv", dim, 3 * dim);
  proj_ = add_linear(*this, layer + "attn.attn.proj", dim, dim);
  const auto epeg = torch::nn::Conv2dOptions(config.heads, config.heads, {config.epeg_k, 1}).padding({config.epeg_k / 2, 0}).groups(config.heads);
  pe_ = module_at(*this, layer + "attn.attn").register_module("pe", torch::nn::Conv2d(epeg));
  norm2_ = add_norm(*this, cross + "norm", dim);
  cross_qkv_ = add_linear(*this, cross + "attn.attn.qkv", dim, 3 * dim);
  cross_proj_ = add_linear(*this, cross + "attn.attn.proj", dim, dim);
  if (config.crmsa_mlp)
    phi0_ = add_linear(*this, cross + "attn.phi.0", dim, dim / 4, false),
    phi2_ = add_linear(*this, cross + "attn.phi.2", dim / 4, config.crmsa_k, false);
  else
    phi_ = add_parameter(*this, cross + "attn.phi", {dim, config.crmsa_k});
  norm_ = add_norm(*this, "online_encoder.norm", dim);
  head_ = register_module("head", make_head(config.head, {dim, n_outputs}, 0));
}

void Rrt::init_weights(uint64_t seed) {
  init_layers(*this, "xavier", seed);
  if (phi_.defined()) nn::init_fan_in(phi_, phi_.size(1), seed, "phi");
  head_->init_weights(seed);
}

Tensor Rrt::within_regions(const Tensor& e_NE) {
  const RegionGrid grid(e_NE.size(0), config_.region_num);
  const auto qkv = heads_of(qkv_(grid.to_regions(norm1_(e_NE))), config_.heads);
  const Tensor logits = qkv[0].matmul(qkv[1].transpose(2, 3));
  const Tensor mixed = (logits + pe_(logits)).softmax(-1).matmul(qkv[2]);
  return grid.from_regions(proj_(merged(mixed)));
}

Tensor Rrt::slot_logits(const Tensor& y_RtE) {
  const Tensor g_Rtk = phi_.defined() ? y_RtE.matmul(phi_) : phi2_(phi0_(y_RtE).tanh());
  return g_Rtk.transpose(1, 2);
}

Tensor Rrt::across_regions(const Tensor& x_NE) {
  const RegionGrid grid(x_NE.size(0), kCrossRegions);
  const Tensor y_RtE = grid.to_regions(norm2_(x_NE)), g_Rkt = slot_logits(y_RtE);
  const Tensor representatives_RkE = g_Rkt.softmax(2).matmul(y_RtE);
  const auto qkv = heads_of(cross_qkv_(representatives_RkE.transpose(0, 1)), config_.crmsa_heads);  // each slot, across regions
  const Tensor mixed = qkv[0].matmul(qkv[1].transpose(2, 3)).softmax(-1).matmul(qkv[2]);
  const Tensor answers_RkE = cross_proj_(merged(mixed)).transpose(0, 1);
  const Tensor low = g_Rkt.amin({2}, true), high = g_Rkt.amax({2}, true);
  const Tensor shares_Rkt = (g_Rkt - low) / (high - low + kEps) * g_Rkt.softmax(1);
  return grid.from_regions(shares_Rkt.transpose(1, 2).matmul(answers_RkE));
}

Tensor Rrt::reembed(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Tensor e_NE = Dropout(pass, bags.offsets)(project(embed_, bags.features_ND).relu(), config_.dropout, 64);
  std::vector<Tensor> parts;
  for (const Tensor& e : split_bags(e_NE, bags.offsets)) {
    if (e.size(0) <= kCrossRegions * kCrossRegions && !warned_) {
      log::warn("[rrt] a bag of {} tiles has one in a region: attention across regions does nothing (said once)", e.size(0));
      warned_ = true;
    }
    Tensor x = e + within_regions(e);
    x = x + across_regions(x);
    parts.push_back(norm_(config_.all_shortcut ? x + e : x));
  }
  return at::cat(parts);
}

HeadOutput Rrt::forward(const BagBatch& bags, const Pass& pass) { return head_->forward(with_features(bags, reembed(bags, pass)), pass); }

}  // namespace eosin::mil
