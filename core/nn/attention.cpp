#include "core/nn/attention.h"

#include <ATen/ATen.h>

namespace eosin::nn {

AttentionImpl::AttentionImpl(const VitConfig& config)
    : num_heads_(config.num_heads),
      zero_k_bias_(config.zero_k_bias),
      turns_keys_(config.rope.enabled),
      qkv(register_module("qkv", torch::nn::Linear(torch::nn::LinearOptions(config.embed_dim, 3 * config.embed_dim).bias(config.qkv_bias)))),
      proj(register_module("proj", torch::nn::Linear(config.embed_dim, config.embed_dim))) {
  if (!config.qk_norm) return;
  const auto options = torch::nn::LayerNormOptions({config.embed_dim / config.num_heads}).eps(config.norm_eps);
  q_norm = register_module("q_norm", torch::nn::LayerNorm(options));
  k_norm = register_module("k_norm", torch::nn::LayerNorm(options));
}

/// Softmax does not see the keys' bias unless keys are normed or turned: its gradient is zero but for rounding, which Adam would blow
/// up to steps as large as any. It is made exactly zero, so that runs with other batch splits stay together.
Tensor AttentionImpl::project(const Tensor& tokens_TD) {
  const bool seen = !q_norm.is_empty() || turns_keys_;
  if (!qkv->bias.defined() || (seen && !zero_k_bias_)) return qkv(tokens_TD);
  const std::vector<Tensor> bias = qkv->bias.chunk(3);
  const Tensor of_keys = zero_k_bias_ ? at::zeros_like(bias[1]) : bias[1].detach();
  return at::linear(tokens_TD, qkv->weight, at::cat({bias[0], of_keys, bias[2]}));
}

Tensor AttentionImpl::forward(const Tensor& tokens_TD, const TokenGroups& groups, AttentionSide* side) {
  std::vector<Tensor> mixed;
  if (side) side->keys_BNd.clear();
  for (const Tensor& group : unpack(project(tokens_TD), groups)) {
    const size_t g = mixed.size();
    const int64_t sequences = group.size(0), length = group.size(1), dim = group.size(2) / 3;
    const Tensor heads = group.view({sequences, length, 3, num_heads_, dim / num_heads_}).permute({2, 0, 3, 1, 4});
    std::vector<Tensor> part = heads.unbind(0);
    if (!q_norm.is_empty()) part[0] = q_norm(part[0]), part[1] = k_norm(part[1]);
    if (side && side->wants_keys) side->keys_BNd.push_back(part[1].detach().mean(1));
    if (side && !side->rope.empty()) part[0] = rotate(part[0], side->rope[g]), part[1] = rotate(part[1], side->rope[g]);
    std::optional<Tensor> of_keys;  // [B, 1, 1, N]
    if (side && !side->size_BN1.empty()) of_keys = side->size_BN1[g].log().to(part[0].scalar_type()).view({sequences, 1, 1, length});
    const Tensor out = at::scaled_dot_product_attention(part[0], part[1], part[2], of_keys);
    mixed.push_back(out.transpose(1, 2).reshape({sequences, length, dim}));
  }
  return proj(pack(mixed));
}

}  // namespace eosin::nn
