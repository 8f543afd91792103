#pragma once
#include "core/nn/rope.h"
#include "core/nn/token_groups.h"
#include "core/nn/vit_config.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

/// What attention is told, and asked for, beside the tokens: one entry a group, or none at all.
struct AttentionSide {
  std::vector<RopeTable> rope;
  std::vector<Tensor> size_BN1;  // how many tokens each key stands for: log(size) is added to its logits
  bool wants_keys = false;
  std::vector<Tensor> keys_BNd;  // left here where wanted: the mean of the heads' keys, without their positions
};

/// Multi-head self-attention within each sequence (Vaswani et al. 2017), scale head_dim^-1/2, no dropout.
/// Parameters `qkv.{weight [3D, D], bias}` (rows q, k, v, heads contiguous), `proj.*`, and with qk_norm `{q,k}_norm.*` over the head.
///
/// Shapes   tokens_TD -> [T, D]; one fused attention call a group.
/// Checked  golden nn.vit, nn.vit_dinov3, nn.vit_tome.
class AttentionImpl : public torch::nn::Module {
 public:
  explicit AttentionImpl(const VitConfig& config);
  /// `side` null: nothing beside the tokens.
  Tensor forward(const Tensor& tokens_TD, const TokenGroups& groups, AttentionSide* side = nullptr);

 private:
  Tensor project(const Tensor& tokens_TD);

  int64_t num_heads_;
  bool zero_k_bias_, turns_keys_;
  torch::nn::Linear qkv{nullptr}, proj{nullptr};
  torch::nn::LayerNorm q_norm{nullptr}, k_norm{nullptr};
};
TORCH_MODULE(Attention);

}  // namespace eosin::nn
