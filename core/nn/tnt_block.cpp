#include "core/nn/tnt_block.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::nn {
namespace {

torch::nn::Linear unbiased(int64_t in, int64_t out) { return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false)); }
torch::nn::LayerNorm norm_of(int64_t dim) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim})); }

}  // namespace

TntAttentionImpl::TntAttentionImpl(int64_t dim, int64_t num_heads)
    : num_heads_(num_heads),
      qk(register_module("qk", unbiased(dim, 2 * dim))),
      v(register_module("v", unbiased(dim, dim))),
      proj(register_module("proj", torch::nn::Linear(dim, dim))) {}

Tensor TntAttentionImpl::forward(const Tensor& tokens_BND) {
  const auto heads = [&](const Tensor& x) { return x.unflatten(2, {num_heads_, -1}).transpose(1, 2); };
  const std::vector<Tensor> both = qk(tokens_BND).chunk(2, -1);
  const Tensor out = at::scaled_dot_product_attention(heads(both[0]), heads(both[1]), heads(v(tokens_BND)));
  return proj(out.transpose(1, 2).flatten(2));
}

TntBlockImpl::TntBlockImpl(const TntBlockConfig& config) : config_(config) {
  const int64_t inner = config.inner_dim, outer = config.outer_dim, pixels = config.num_pixel * inner;
  norm_in = register_module("norm_in", norm_of(inner));
  attn_in = register_module("attn_in", TntAttention(inner, config.inner_heads));
  norm_mlp_in = register_module("norm_mlp_in", norm_of(inner));
  mlp_in = register_module("mlp_in", Mlp(inner, 4 * inner, /*gated=*/false));
  norm1_proj = register_module("norm1_proj", norm_of(pixels));
  proj = register_module("proj", unbiased(pixels, outer));
  norm2_proj = register_module("norm2_proj", norm_of(outer));
  norm_out = register_module("norm_out", norm_of(outer));
  attn_out = register_module("attn_out", TntAttention(outer, config.outer_heads));
  norm_mlp = register_module("norm_mlp", norm_of(outer));
  mlp = register_module("mlp", Mlp(outer, 4 * outer, /*gated=*/false));
}

std::pair<Tensor, Tensor> TntBlockImpl::forward(const Tensor& pixel_Bmc, const Tensor& patch_BND) {
  const int64_t batch = patch_BND.size(0), patches = patch_BND.size(1) - 1;
  EOSIN_CHECK(pixel_Bmc.size(0) == batch * patches && pixel_Bmc.size(1) == config_.num_pixel, Shape,
              "[tnt_block] pixels of shape [{}] for {} images of {} patches (need [{}, {}, {}])", fmt::join(pixel_Bmc.sizes().vec(), ", "), batch,
              patches, batch * patches, config_.num_pixel, config_.inner_dim);
  Tensor pixel = pixel_Bmc + attn_in(norm_in(pixel_Bmc));
  pixel = pixel + mlp_in(norm_mlp_in(pixel));
  const Tensor inside = norm2_proj(proj(norm1_proj(pixel.reshape({batch, patches, -1}))));
  Tensor patch = at::cat({patch_BND.slice(1, 0, 1), patch_BND.slice(1, 1) + inside}, 1);
  patch = patch + attn_out(norm_out(patch));
  return {pixel, patch + mlp(norm_mlp(patch))};
}

}  // namespace eosin::nn
