#include "core/nn/attentional_pooler.h"

#include <ATen/ATen.h>
#include <torch/types.h>

namespace eosin::nn {

AttentionalPoolerImpl::AttentionalPoolerImpl(const AttentionPoolConfig& config, int64_t token_dim) : num_heads_(config.num_heads) {
  const int64_t dim = config.dim;
  query = register_parameter("query", torch::zeros({config.queries, dim}));
  ln_q = register_module("ln_q", torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim})));
  ln_k = register_module("ln_k", torch::nn::LayerNorm(torch::nn::LayerNormOptions({token_dim})));
  const auto attn = register_module("attn", std::make_shared<torch::nn::Module>("attn"));
  if (dim == token_dim) {
    in_proj_weight = attn->register_parameter("in_proj_weight", torch::zeros({3 * dim, dim}));
  } else {
    q_proj_weight = attn->register_parameter("q_proj_weight", torch::zeros({dim, dim}));
    k_proj_weight = attn->register_parameter("k_proj_weight", torch::zeros({dim, token_dim}));
    v_proj_weight = attn->register_parameter("v_proj_weight", torch::zeros({dim, token_dim}));
  }
  in_proj_bias = attn->register_parameter("in_proj_bias", torch::zeros({3 * dim}));
  out_proj = attn->register_module("out_proj", torch::nn::Linear(dim, dim));
}

Tensor AttentionalPoolerImpl::forward(const Tensor& tokens_BND) {
  const int64_t batch = tokens_BND.size(0), dim = query.size(1);
  const Tensor keys = ln_k(tokens_BND), asked = ln_q(query).unsqueeze(0);
  const std::vector<Tensor> bias = in_proj_bias.chunk(3);
  const std::vector<Tensor> weight = in_proj_weight.defined() ? in_proj_weight.chunk(3) : std::vector{q_proj_weight, k_proj_weight, v_proj_weight};
  const auto heads = [&](const Tensor& x_BND) { return x_BND.view({x_BND.size(0), x_BND.size(1), num_heads_, dim / num_heads_}).transpose(1, 2); };
  const Tensor q = heads(at::linear(asked, weight[0], bias[0])).expand({batch, -1, -1, -1});
  const Tensor k = heads(at::linear(keys, weight[1], bias[1])), v = heads(at::linear(keys, weight[2], bias[2]));
  return out_proj(at::scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape({batch, -1, dim}));
}

}  // namespace eosin::nn
