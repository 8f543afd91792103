#include "core/nn/block.h"

#include <ATen/ATen.h>

namespace eosin::nn {

BlockImpl::BlockImpl(const VitConfig& config, int64_t index)
    : index_(index), depth_(config.depth), drop_rate_(drop_rate_at(config.drop_path_rate, config.drop_path_uniform, index, config.depth)) {
  const auto norm = torch::nn::LayerNormOptions({config.embed_dim}).eps(config.norm_eps);
  norm1 = register_module("norm1", torch::nn::LayerNorm(norm));
  attn = register_module("attn", Attention(config));
  if (config.init_values) ls1 = register_module("ls1", LayerScale(config.embed_dim, *config.init_values));
  norm2 = register_module("norm2", torch::nn::LayerNorm(norm));
  mlp = register_module("mlp", Mlp(config.embed_dim, config.mlp_hidden, config.ffn == "swiglu"));
  if (config.init_values) ls2 = register_module("ls2", LayerScale(config.embed_dim, *config.init_values));
}

Tensor BlockImpl::attend(const Tensor& tokens_TD, const TokenGroups& groups, AttentionSide* side) {
  const Tensor out = attn(norm1(tokens_TD), groups, side);
  return ls1.is_empty() ? out : ls1(out);
}

Tensor BlockImpl::feed_forward(const Tensor& tokens_TD) {
  const Tensor out = mlp(norm2(tokens_TD));
  return ls2.is_empty() ? out : ls2(out);
}

std::vector<std::vector<int64_t>> BlockImpl::kept(const TokenGroups& groups, DropPathKey key, uint32_t branch) const {
  std::vector<std::vector<int64_t>> kept;
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto slot = (static_cast<uint32_t>(g) * static_cast<uint32_t>(depth_) + static_cast<uint32_t>(index_)) * 2 + branch;
    kept.push_back(draw_kept(groups[g].sequences, drop_rate_, key, slot));
  }
  return kept;
}

Tensor BlockImpl::forward_attention(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path, AttentionSide* side) {
  if (!drop_path || drop_rate_ <= 0) return tokens_TD + attend(tokens_TD, groups, side);
  const auto branch = [this, side](const Tensor& t, const TokenGroups& g) { return attend(t, g, side); };
  return add_on_subset(tokens_TD, groups, kept(groups, *drop_path, 0), branch);
}

Tensor BlockImpl::forward_mlp(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path) {
  if (!drop_path || drop_rate_ <= 0) return tokens_TD + feed_forward(tokens_TD);
  const auto branch = [this](const Tensor& t, const TokenGroups&) { return feed_forward(t); };
  return add_on_subset(tokens_TD, groups, kept(groups, *drop_path, 1), branch);
}

Tensor BlockImpl::forward(const Tensor& tokens_TD, const TokenGroups& groups, const DropPathKey* drop_path, AttentionSide* side) {
  return forward_mlp(forward_attention(tokens_TD, groups, drop_path, side), groups, drop_path);
}

}  // namespace eosin::nn
