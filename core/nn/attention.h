#pragma once
#include "core/nn/token_groups.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

/// Multi-head self-attention within each sequence (Vaswani et al. 2017), scale head_dim^-1/2, no dropout.
/// Parameters `qkv.{weight [3D, D], bias}` (rows q, k, v, heads contiguous), `proj.*`, and with qk_norm `{q,k}_norm.*` over the head.
///
/// Shapes   tokens_TD -> [T, D]; one fused attention call a group.
/// Checked  golden nn.vit.
class AttentionImpl : public torch::nn::Module {
 public:
  AttentionImpl(int64_t dim, int64_t num_heads, bool qkv_bias, bool qk_norm, double norm_eps);
  Tensor forward(const Tensor& tokens_TD, const TokenGroups& groups);

 private:
  Tensor project(const Tensor& tokens_TD);

  int64_t num_heads_;
  torch::nn::Linear qkv{nullptr}, proj{nullptr};
  torch::nn::LayerNorm q_norm{nullptr}, k_norm{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace eosin::nn
