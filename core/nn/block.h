#pragma once
#include "core/nn/attention.h"
#include "core/nn/drop_path.h"
#include "core/nn/layer_scale.h"
#include "core/nn/mlp.h"
#include "core/nn/vit_config.h"

namespace eosin::nn {

/// A pre-norm transformer block: x += ls1(attn(norm1 x)); x += ls2(mlp(norm2 x)), each branch with its own drop-path subset.
/// The residual stream keeps its type under autocast (branches start at 1e-5 and would vanish in fp16).
class BlockImpl : public torch::nn::Module {
 public:
  BlockImpl(const VitConfig& config, int64_t index);
  /// `drop_path` null: no stochastic depth. The two branches one after the other.
  Tensor forward(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path, AttentionSide* side = nullptr);
  /// Each branch with its sum, for those who do something between them.
  Tensor forward_attention(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path, AttentionSide* side = nullptr);
  Tensor forward_mlp(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path);

 private:
  Tensor attend(const Tensor& tokens_TD, const TokenGroups& groups, AttentionSide* side);
  Tensor feed_forward(const Tensor& tokens_TD);
  std::vector<std::vector<int64_t>> kept(const TokenGroups& groups, DropPathKey key, uint32_t branch) const;

  int64_t index_, depth_;
  double drop_rate_;
  torch::nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  Attention attn{nullptr};
  Mlp mlp{nullptr};
  LayerScale ls1{nullptr}, ls2{nullptr};
};
TORCH_MODULE(Block);

}  // namespace eosin::nn
