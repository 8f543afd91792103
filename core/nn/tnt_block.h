#pragma once
// Transformer in Transformer (Han et al. 2021, arXiv:2103.00112): attention among the pixels of a patch, then among patches.
#include "core/nn/mlp.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

struct TntBlockConfig {
  int64_t inner_dim = 24, outer_dim = 384, inner_heads = 4, outer_heads = 6, num_pixel = 16;
};

/// Attention without biases before its output projection. Parameters `qk.weight [2D, D]` (q, then k), `v.weight`, `proj.*`.
class TntAttentionImpl : public torch::nn::Module {
 public:
  TntAttentionImpl(int64_t dim, int64_t num_heads);
  /// Shapes   tokens_BND -> [B, N, D].
  Tensor forward(const Tensor& tokens_BND);

 private:
  int64_t num_heads_;
  torch::nn::Linear qk{nullptr}, v{nullptr}, proj{nullptr};
};
TORCH_MODULE(TntAttention);

/// One block: the pixels' attention and MLP; every patch (not the class token) gets a projection of its pixels; the patches' attention and MLP.
///
/// Shapes   pixel_Bmc of B * N patches with m pixels of width c, patch_BND with N + 1 tokens; returns both.
/// Errors   Shape if the two do not fit (names both).
/// Checked  golden nn.tnt_block.
class TntBlockImpl : public torch::nn::Module {
 public:
  explicit TntBlockImpl(const TntBlockConfig& config);
  std::pair<Tensor, Tensor> forward(const Tensor& pixel_Bmc, const Tensor& patch_BND);

 private:
  TntBlockConfig config_;
  torch::nn::LayerNorm norm_in{nullptr}, norm_mlp_in{nullptr}, norm1_proj{nullptr}, norm2_proj{nullptr}, norm_out{nullptr}, norm_mlp{nullptr};
  TntAttention attn_in{nullptr}, attn_out{nullptr};
  Mlp mlp_in{nullptr}, mlp{nullptr};
  torch::nn::Linear proj{nullptr};
};
TORCH_MODULE(TntBlock);

}  // namespace eosin::nn
