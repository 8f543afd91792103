#include "mil/gigapath.h"

#include "core/base/error.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::mil {
namespace {

/// [sin(p w_j), cos(p w_j)], w_j = 10000^(-j / (dim / 4)).
Tensor waves(const Tensor& p_N, int64_t dim) {
  const Tensor omega = at::pow(10000.0, -at::arange(dim / 4, at::kDouble) / (static_cast<double>(dim) / 4));
  const Tensor angle = p_N.to(at::kDouble).unsqueeze(1) * omega;
  return at::cat({angle.sin(), angle.cos()}, 1);
}

double tile_size_of(const BagBatch& bags, int64_t b) {
  EOSIN_CHECK(static_cast<size_t>(b) < bags.tile_size_px.size() && bags.tile_size_px[static_cast<size_t>(b)] > 0, Data,
              "[gigapath] the size of the tiles of {} is not known; embed them again, or set compat=gigapath", name_of(bags, b));
  return bags.tile_size_px[static_cast<size_t>(b)];
}

}  // namespace

void GigapathConfig::validate(config::Problems& p) const {
  if (dim % 4 != 0 || dim % heads != 0) p.add("dim", fmt::format("{} is no multiple of 4 and of heads={}", dim, heads));
  if (segment_length.size() != dilated_ratio.size())
    p.add("dilated_ratio", fmt::format("{} ratios for {} segment lengths", dilated_ratio.size(), segment_length.size()));
}

Tensor grid_of(const Tensor& coords_N2, double tile_size) { return at::floor(coords_N2.to(at::kDouble) / tile_size).to(at::kLong); }

GridPositions embed_positions(const Tensor& grid_N2, int64_t slide_ngrids, int64_t dim) {
  EOSIN_CHECK(grid_N2.dim() == 2 && grid_N2.size(1) == 2 && dim % 4 == 0, Shape,
              "[gigapath] positions [{}] for width {} (need [N, 2], a multiple of 4)", fmt::join(grid_N2.sizes().vec(), ", "), dim);
  const Tensor grid = grid_N2.cpu();
  EOSIN_CHECK(grid.numel() == 0 || (grid.min().item<int64_t>() >= 0 && grid.max().item<int64_t>() < slide_ngrids), Data,
              "[gigapath] positions {} to {} lie outside the grid of {} (slide_ngrids)", grid.min().item<int64_t>(), grid.max().item<int64_t>(),
              slide_ngrids);
  const Tensor g0 = grid.select(1, 0), g1 = grid.select(1, 1);
  return {g0 * slide_ngrids + g1 + 1, at::cat({waves(g1, dim), waves(g0, dim)}, 1).to(at::kFloat)};
}

Gigapath::Gigapath(const GigapathConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  patch_embed_ = add_linear(*this, "patch_embed.proj", in_dim, dim);
  cls_token_ = add_parameter(*this, "cls_token", {1, 1, dim});
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string path = fmt::format("encoder.layers.{}", i);
    Layer layer;
    layer.attn_norm = add_norm(*this, path + ".self_attn_layer_norm", dim);
    const DilatedOptions options{dim, config.heads, config.segment_length, config.dilated_ratio, true, 1e-5};
    layer.attn = module_at(*this, path).register_module("self_attn", DilatedAttention(options));
    layer.final_norm = add_norm(*this, path + ".final_layer_norm", dim);
    layer.fc1 = add_linear(*this, path + ".ffn.fc1", dim, config.ffn_dim);
    layer.ffn_norm = add_norm(*this, path + ".ffn.ffn_layernorm", config.ffn_dim);
    layer.fc2 = add_linear(*this, path + ".ffn.fc2", config.ffn_dim, dim);
    layers_.push_back(layer);
  }
  encoder_norm_ = add_norm(*this, "encoder.layer_norm", dim);
  norm_ = add_norm(*this, "norm", dim, 1e-6);
  classifier_ = add_linear(*this, "classifier", dim, n_outputs);
}

void Gigapath::init_weights(uint64_t seed) {
  init_layers(*this, "fan_in", seed);
  nn::init_normal(cls_token_, 0.02, seed, "cls_token");
}

Tensor Gigapath::encode(const BagBatch& bags) {
  check_bags(bags, in_dim_);
  EOSIN_CHECK(bags.coords_N2.defined(), Data, "[gigapath] {} has no coordinates", name_of(bags, 0));
  const auto rows = split_bags(project(patch_embed_, bags.features_ND), bags.offsets), coords = split_bags(bags.coords_N2, bags.offsets);
  std::vector<Tensor> slides;
  for (size_t b = 0; b < rows.size(); ++b) {
    const double tile_size = config_.compat == "gigapath" ? static_cast<double>(config_.tile_size) : tile_size_of(bags, static_cast<int64_t>(b));
    const Tensor positions = embed_positions(grid_of(coords[b], tile_size), config_.slide_ngrids, config_.dim).embedding_NE;
    Tensor h = at::cat({cls_token_[0], rows[b] + positions.to(rows[b].options())}).unsqueeze(0);
    for (Layer& layer : layers_) {
      h = h + layer.attn(layer.attn_norm(h));
      h = h + layer.fc2(layer.ffn_norm(at::gelu(layer.fc1(layer.final_norm(h)))));
    }
    h = encoder_norm_(h)[0];
    slides.push_back(norm_(config_.global_pool ? h.narrow(0, 1, h.size(0) - 1).mean(0) : h[0]));
  }
  return at::stack(slides);
}

HeadOutput Gigapath::forward(const BagBatch& bags, const Pass&) {
  HeadOutput out;
  out.embedding_BE = encode(bags);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
