#include "core/nn/attention.h"

#include <ATen/ATen.h>

namespace eosin::nn {

AttentionImpl::AttentionImpl(int64_t dim, int64_t num_heads, bool qkv_bias, bool qk_norm, double norm_eps)
    : num_heads_(num_heads),
      qkv(register_module("qkv", torch::nn::Linear(torch::nn::LinearOptions(dim, 3 * dim).bias(qkv_bias)))),
      proj(register_module("proj", torch::nn::Linear(dim, dim))) {
  if (!qk_norm) return;
  const auto options = torch::nn::LayerNormOptions({dim / num_heads}).eps(norm_eps);
  q_norm = register_module("q_norm", torch::nn::LayerNorm(options));
  k_norm = register_module("k_norm", torch::nn::LayerNorm(options));
}

/// Softmax does not see the keys' bias: its gradient is zero but for rounding, which Adam would blow up to steps as large as any.
/// It is made exactly zero, so that runs with other batch splits stay together.
Tensor AttentionImpl::project(const Tensor& tokens_TD) {
  if (!q_norm.is_empty() || !qkv->bias.defined()) return qkv(tokens_TD);
  const std::vector<Tensor> bias = qkv->bias.chunk(3);
  return at::linear(tokens_TD, qkv->weight, at::cat({bias[0], bias[1].detach(), bias[2]}));
}

Tensor AttentionImpl::forward(const Tensor& tokens_TD, const TokenGroups& groups) {
  std::vector<Tensor> mixed;
  for (const Tensor& group : unpack(project(tokens_TD), groups)) {
    const int64_t sequences = group.size(0), length = group.size(1), dim = group.size(2) / 3;
    const Tensor heads = group.view({sequences, length, 3, num_heads_, dim / num_heads_}).permute({2, 0, 3, 1, 4});
    std::vector<Tensor> part = heads.unbind(0);
    if (!q_norm.is_empty()) part[0] = q_norm(part[0]), part[1] = k_norm(part[1]);
    const Tensor out = at::scaled_dot_product_attention(part[0], part[1], part[2]);
    mixed.push_back(out.transpose(1, 2).reshape({sequences, length, dim}));
  }
  return proj(pack(mixed));
}

}  // namespace eosin::nn
