#include "mil/fragment_vit.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/rope.h"
#include "mil/dropout.h"

#include <ATen/ATen.h>

#include <numbers>

namespace eosin::mil {
namespace {

/// Rows of every value of `fragment`, or all rows.
std::vector<Tensor> pieces_of(const Tensor& fragment_N, int64_t n) {
  if (!fragment_N.defined()) return {at::arange(n, at::kLong)};
  std::vector<Tensor> pieces;
  const Tensor values = std::get<0>(at::_unique(fragment_N));
  for (int64_t i = 0; i < values.numel(); ++i) pieces.push_back(fragment_N.eq(values[i]).nonzero().squeeze(1));
  return pieces;
}

Tensor softmax_attention(const Tensor& q_HTd, const Tensor& k_HTd, const Tensor& v_HTd) {
  return at::scaled_dot_product_attention(q_HTd.unsqueeze(0), k_HTd.unsqueeze(0), v_HTd.unsqueeze(0))[0];
}

}  // namespace

void FragmentVitConfig::validate(config::Problems& p) const {
  if (dim % (4 * heads) != 0) p.add("dim", fmt::format("{} is no multiple of 4 * heads={}", dim, heads));
}

FragmentVit::FragmentVit(const FragmentVitConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  const auto hidden = static_cast<int64_t>(static_cast<double>(dim) * config.mlp_ratio);
  embed_ = add_linear(*this, "embed.0", in_dim, dim);
  embed_norm_ = add_norm(*this, "embed.1", dim);
  tokens_ = add_parameter(*this, "tokens", {1 + config.storage_tokens, dim});
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string path = fmt::format("blocks.{}.", i);
    layers_.push_back({add_norm(*this, path + "norm1", dim), add_norm(*this, path + "norm2", dim), add_linear(*this, path + "attn.qkv", dim, 3 * dim),
                       add_linear(*this, path + "attn.proj", dim, dim), add_linear(*this, path + "mlp.fc1", dim, 2 * hidden),
                       add_linear(*this, path + "mlp.fc2", hidden, dim)});
  }
  norm_ = add_norm(*this, "norm", dim);
  classifier_ = add_linear(*this, "classifier", 2 * dim, n_outputs);
}

void FragmentVit::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  nn::init_normal(tokens_, 0.02, seed, "tokens");
}

Tensor FragmentVit::attend(Layer& layer, const Tensor& x_TE, const Slide& slide, bool by_piece) {
  const int64_t special = tokens_.size(0);
  auto qkv = layer.qkv(layer.norm1(x_TE)).unflatten(1, {3, config_.heads, -1}).permute({1, 2, 0, 3}).unbind(0);
  Tensor mixed;
  if (!by_piece) {
    mixed = softmax_attention(qkv[0], qkv[1], qkv[2]);
  } else {
    nn::RopeConfig rope;
    rope.base = config_.rope_base;
    const Tensor periods = nn::rope_periods(rope, config_.dim / config_.heads) * (2 * std::numbers::pi);  // angles are coord / period
    const nn::RopeTable table = nn::rope_table(slide.coords_N2, periods.to(x_TE.options()));
    for (size_t i = 0; i < 2; ++i) qkv[i] = nn::rotate(qkv[i].unsqueeze(0), table)[0];
    const Tensor tokens = at::arange(special, at::kLong).to(x_TE.device());
    mixed = at::zeros_like(qkv[0]).index_copy(1, tokens, softmax_attention(qkv[0].narrow(1, 0, special), qkv[1], qkv[2]));
    for (const Tensor& piece : slide.pieces) {
      const Tensor rows = piece.to(x_TE.device()) + special, seen = at::cat({tokens, rows});
      const Tensor of_piece = softmax_attention(qkv[0].index_select(1, rows), qkv[1].index_select(1, seen), qkv[2].index_select(1, seen));
      mixed = mixed.index_copy(1, rows, of_piece);
    }
  }
  return layer.proj(mixed.transpose(0, 1).flatten(1));
}

Tensor FragmentVit::encode(const Slide& slide, const Pass& pass) {
  const int64_t special = tokens_.size(0), n = slide.rows_NE.size(0);
  Tensor x = at::cat({tokens_, slide.rows_NE});
  const Dropout drop(pass, {0, x.size(0)});
  uint32_t place = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    x = x + drop(attend(layers_[i], x, slide, i % 2 == 1), config_.dropout, place++);
    const auto halves = layers_[i].fc1(layers_[i].norm2(x)).chunk(2, 1);
    x = x + drop(layers_[i].fc2(at::silu(halves[0]) * halves[1]), config_.dropout, place++);
  }
  x = norm_(x);
  return at::cat({x.narrow(0, special, n).mean(0), x.narrow(0, 0, special).mean(0)});
}

HeadOutput FragmentVit::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  EOSIN_CHECK(bags.coords_N2.defined() && static_cast<int64_t>(bags.tile_size_px.size()) == bags.n_bags(), Data,
              "[fragment_vit] {} has no coordinates or no size of its tiles", name_of(bags, 0));
  const Tensor h_NE = embed_norm_(project(embed_, bags.features_ND));
  const auto rows = split_bags(h_NE, bags.offsets), coords = split_bags(bags.coords_N2, bags.offsets);
  std::vector<Tensor> slides;
  for (size_t b = 0; b < rows.size(); ++b) {
    const auto number = static_cast<int64_t>(b);
    const double tile = bags.tile_size_px[b];
    slides.push_back(
        encode({rows[b], (coords[b].to(rows[b].options()) + tile / 2) / tile, pieces_of(one_bag(bags, number).fragment_N, rows[b].size(0))},
               pass_of_bag(pass, number)));
  }
  HeadOutput out;
  out.embedding_BE = at::stack(slides);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
