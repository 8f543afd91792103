#include "core/nn/merging_pass.h"

#include <ATen/ATen.h>

namespace eosin::nn {
namespace {

std::vector<int64_t> losses_of(const TokenMergeConfig& config, int64_t depth) {
  if (config.r_of_block.empty()) return tome_schedule(config.r, config.inflect, depth);
  std::vector<int64_t> r = config.r_of_block;
  r.resize(static_cast<size_t>(depth), 0);
  return r;
}

/// A row for every token of every sequence; those of the prefix are 0, which turns nothing.
Tensor of_all_tokens(const Tensor& coordinates_N2, const Tensor& tokens_BND) {
  const int64_t prefix = tokens_BND.size(1) - coordinates_N2.size(0);
  const Tensor rows = at::cat({at::zeros({prefix, 2}, coordinates_N2.options()), coordinates_N2});
  return rows.expand({tokens_BND.size(0), -1, -1});
}

}  // namespace

MergingPass::MergingPass(const VitConfig& config, std::vector<Tensor> coordinates_N2, RopeEmbed rope_embed)
    : config_(config), r_(losses_of(config.token_merge, config.depth)), coordinates_(std::move(coordinates_N2)), rope_embed_(std::move(rope_embed)) {}

bool MergingPass::merges_in(size_t block) const { return config_.token_merge.method == "tome" ? r_[block] > 0 : config_.token_merge.ratio < 1; }

MergePlan MergingPass::plan(const Tensor& keys_BNd, size_t block) const {
  const TokenMergeConfig& how = config_.token_merge;
  const int64_t special = config_.class_token ? 1 : 0, after = config_.prefix_tokens();
  const Tensor metric = config_.reg_tokens > 0 ? at::cat({keys_BNd.slice(1, 0, special), keys_BNd.slice(1, after)}, 1) : keys_BNd;
  const double margin = how.margins[how.margins.size() == 1 ? 0 : block];
  const MergePlan plan = how.method == "tome" ? tome_plan(metric, r_[block], config_.class_token)
                                              : pitome_plan(metric, how.ratio, margin, how.alpha, config_.class_token, how.method == "pitome_bsm");
  return config_.reg_tokens > 0 ? with_kept_tokens(plan, special, config_.reg_tokens) : plan;
}

Tensor MergingPass::merge(const Tensor& tokens_TD, TokenGroups& groups, AttentionSide& side, size_t block) {
  std::vector<Tensor> merged;
  std::vector<Tensor> sizes;
  for (const Tensor& tokens : unpack(tokens_TD, groups)) {
    const size_t g = merged.size();
    const MergePlan plan = this->plan(side.keys_BNd[g], block);
    const Tensor size = size_of(g, tokens);
    MergedTokens now = merge_tokens(plan, tokens, size);
    if (!coordinates_.empty()) {
      const Tensor all = coordinates_[g].dim() == 2 ? of_all_tokens(coordinates_[g], tokens) : coordinates_[g];
      coordinates_[g] = merge_tokens(plan, all, size).tokens_BND;
      side.rope[g] = rope_embed_(coordinates_[g]);
    }
    groups[g].length = plan.count;
    merged.push_back(now.tokens_BND);
    sizes.push_back(now.size_BN1);
  }
  size_BN1_ = std::move(sizes);
  if (config_.token_merge.proportional_attention) side.size_BN1 = size_BN1_;
  return pack(merged);
}

Tensor MergingPass::size_of(size_t group, const Tensor& tokens_BND) const {
  if (!size_BN1_.empty()) return size_BN1_[group];
  const auto type = tokens_BND.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::ones({tokens_BND.size(0), tokens_BND.size(1), 1}, tokens_BND.options().dtype(type).requires_grad(false));
}

}  // namespace eosin::nn
