#pragma once
// Token merging along the blocks of one forward pass: what merged tokens stand for, and where they lie.
#include "core/nn/attention.h"
#include "core/nn/token_merge.h"

namespace eosin::nn {

/// LayerScale, qk-norm and rotary positions stay as they are: a merged token lies at the mean of its tokens' coordinates.
/// Register tokens never merge. Sequences of a group keep equal lengths.
class MergingPass {
 public:
  /// `coordinates_N2`: of each group's patches, for a model with rotary positions; else empty.
  MergingPass(const VitConfig& config, std::vector<Tensor> coordinates_N2, RopeEmbed rope_embed);
  bool merges_in(size_t block) const;
  /// Merges by the keys that attention left in `side`; groups get their new lengths, `side` the new sizes and rotary tables.
  Tensor merge(const Tensor& tokens_TD, TokenGroups& groups, AttentionSide& side, size_t block);
  /// Of each of the group's tokens, [B, N, 1]; ones before the first merge.
  Tensor size_of(size_t group, const Tensor& tokens_BND) const;

 private:
  MergePlan plan(const Tensor& keys_BNd, size_t block) const;

  const VitConfig& config_;
  std::vector<int64_t> r_;  // tome: a block
  std::vector<Tensor> coordinates_, size_BN1_;
  RopeEmbed rope_embed_;
};

}  // namespace eosin::nn
