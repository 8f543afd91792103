#include "mil/alibi.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/recompute.h"
#include "mil/dropout.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace eosin::mil {
namespace {

constexpr int64_t kMaxBiases = 1 << 24;  // of one block of queries

/// [n, N]; a token that lies nowhere (NaN) is at distance 0 from all.
Tensor distances(const Tensor& from_n2, const Tensor& to_N2) {
  const Tensor difference = from_n2.unsqueeze(1) - to_N2.unsqueeze(0);
  return at::nan_to_num((difference * difference).sum(2).sqrt(), 0.0);
}

}  // namespace

Tensor alibi_slopes(int64_t heads) {
  EOSIN_ASSERT(heads > 0);
  const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  const auto p = static_cast<double>(power);
  std::vector<double> slopes;
  for (int64_t h = 0; h < power; ++h) slopes.push_back(std::exp2(-8 * static_cast<double>(h + 1) / p));
  for (int64_t i = 0; i < heads - power; ++i) slopes.push_back(std::exp2(-4 * static_cast<double>(2 * i + 1) / p));
  return at::tensor(slopes, at::kFloat);
}

Tensor alibi_attention(const Tensor& q_HNd, const Tensor& k_HNd, const Tensor& v_HNd, const Tensor& grid_N2, const Tensor& slopes_H) {
  const int64_t heads = q_HNd.size(0), n = q_HNd.size(1), block = std::max<int64_t>(1, kMaxBiases / (heads * n));
  EOSIN_CHECK(q_HNd.dim() == 3 && grid_N2.dim() == 2 && grid_N2.size(0) == n && grid_N2.size(1) == 2, Shape, "[alibi] grid [{}] for queries [{}]",
              fmt::join(grid_N2.sizes().vec(), ", "), fmt::join(q_HNd.sizes().vec(), ", "));
  const Tensor grid = grid_N2.to(q_HNd.options()), slopes = slopes_H.to(q_HNd.options()).view({heads, 1, 1});
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < n; first += block) {
    const int64_t count = std::min(block, n - first);
    const auto attend = [grid, slopes, first, count](const std::vector<Tensor>& in) {
      const Tensor bias = -slopes * distances(grid.narrow(0, first, count), grid);
      return std::vector<Tensor>{at::scaled_dot_product_attention(in[0].unsqueeze(0), in[1].unsqueeze(0), in[2].unsqueeze(0), bias.unsqueeze(0))[0]};
    };
    const std::vector<Tensor> in = {q_HNd.narrow(1, first, count), k_HNd, v_HNd};
    parts.push_back(count == n ? attend(in)[0] : nn::recomputed(in, {}, attend)[0]);
  }
  return at::cat(parts, 1);
}

void AlibiVitConfig::validate(config::Problems& p) const {
  if (dim % heads != 0) p.add("dim", fmt::format("{} is no multiple of heads={}", dim, heads));
}

AlibiVit::AlibiVit(const AlibiVitConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  const auto hidden = static_cast<int64_t>(static_cast<double>(dim) * config.mlp_ratio);
  embed_ = add_linear(*this, "embed", in_dim, dim);
  cls_token_ = add_parameter(*this, "cls_token", {1, dim});
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string path = fmt::format("blocks.{}.", i);
    layers_.push_back({add_norm(*this, path + "norm1", dim), add_norm(*this, path + "norm2", dim), add_linear(*this, path + "attn.qkv", dim, 3 * dim),
                       add_linear(*this, path + "attn.proj", dim, dim), add_linear(*this, path + "mlp.fc1", dim, hidden),
                       add_linear(*this, path + "mlp.fc2", hidden, dim)});
  }
  norm_ = add_norm(*this, "norm", dim);
  classifier_ = add_linear(*this, "classifier", dim, n_outputs);
}

void AlibiVit::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  nn::init_normal(cls_token_, 0.02, seed, "cls_token");
}

Tensor AlibiVit::encode(const Tensor& h_NE, const Tensor& grid_N2, const Pass& pass) {
  const Tensor nowhere = at::full({1, 2}, std::numeric_limits<double>::quiet_NaN(), grid_N2.options());
  const Tensor grid = at::cat({nowhere, grid_N2}), slopes = alibi_slopes(config_.heads);
  Tensor x = at::cat({cls_token_, h_NE});
  const Dropout drop(pass, {0, x.size(0)});
  uint32_t place = 0;
  for (Layer& layer : layers_) {
    const auto qkv = layer.qkv(layer.norm1(x)).unflatten(1, {3, config_.heads, -1}).permute({1, 2, 0, 3}).unbind(0);
    const Tensor mixed = alibi_attention(qkv[0], qkv[1], qkv[2], grid, slopes);
    x = x + drop(layer.proj(mixed.transpose(0, 1).flatten(1)), config_.dropout, place++);
    x = x + drop(layer.fc2(at::gelu(layer.fc1(layer.norm2(x)))), config_.dropout, place++);
  }
  return norm_(x[0]);
}

HeadOutput AlibiVit::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  EOSIN_CHECK(bags.coords_N2.defined() && static_cast<int64_t>(bags.tile_size_px.size()) == bags.n_bags(), Data,
              "[alibi_vit] {} has no coordinates or no size of its tiles", name_of(bags, 0));
  const auto rows = split_bags(project(embed_, bags.features_ND), bags.offsets), coords = split_bags(bags.coords_N2, bags.offsets);
  std::vector<Tensor> slides;
  for (size_t b = 0; b < rows.size(); ++b)
    slides.push_back(encode(rows[b], coords[b].to(rows[b].options()) / bags.tile_size_px[b], pass_of_bag(pass, static_cast<int64_t>(b))));
  HeadOutput out;
  out.embedding_BE = at::stack(slides);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
