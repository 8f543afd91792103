#pragma once
// Stochastic depth by batch subset (Huang et al. 2016, arXiv:1603.09382, in DINOv2's form): a branch is computed only for the
// sequences that keep it, which saves its compute.
#include "core/nn/token_groups.h"

#include <functional>
#include <optional>

namespace eosin::nn {

/// What the draws of one forward pass depend on: the same values give the same subsets on any machine and after any restart.
/// `position` is the global position of the batch's first sample, so that ranks and steps differ.
struct DropPathKey {
  uint64_t seed = 0, position = 0;
};

/// max(floor(sequences * (1 - rate)), 1): how many sequences keep the branch.
int64_t kept_count(int64_t sequences, double rate);

/// The sequences of a group that keep the branch, ascending, drawn without replacement.
/// `slot` numbers the draws of a pass: one for each (group, block, branch).
std::vector<int64_t> draw_kept(int64_t sequences, double rate, DropPathKey key, uint32_t slot);

/// tokens_TD with (sequences / kept) * branch(kept tokens) added at the kept sequences of each group.
///
/// Shapes   tokens_TD packed as `groups` say; `branch` maps packed tokens of the given groups to the same shape.
/// Differs  the factor is the realised ratio, not 1 / (1 - rate), as in DINOv2; used for any rate, not above 0.1 only.
/// Checked  golden nn.drop_path_subset; tests/nn/test_drop_path.cpp.
Tensor add_on_subset(const Tensor& tokens_TD, const TokenGroups& groups, const std::vector<std::vector<int64_t>>& kept,
                     const std::function<Tensor(const Tensor&, const TokenGroups&)>& branch);

/// Stochastic depth of one group's pass; none without a key.
struct GroupDropPath {
  std::optional<DropPathKey> key;
  uint32_t group = 0;
};
/// x + branch(x) for one group of samples of any shape; with a key, the branch sees only the samples that keep it, as add_on_subset has it.
/// `slot` numbers the branches of a pass.
Tensor add_branch(const Tensor& x, double rate, const GroupDropPath& drop_path, uint32_t slot, const std::function<Tensor(const Tensor&)>& branch);

/// The rate of block `index` of `depth`: from 0 linearly to `rate`, or the same in all.
double drop_rate_at(double rate, bool uniform, int64_t index, int64_t depth);

}  // namespace eosin::nn
