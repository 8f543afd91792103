#pragma once
// Sequences of several lengths (global and local crops) packed end to end: norms and linears see one matrix of tokens,
// attention sees one call a group.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace eosin::nn {

/// `sequences` sequences of `length` tokens each.
struct TokenGroup {
  int64_t sequences = 0, length = 0;
  int64_t tokens() const { return sequences * length; }
};
using TokenGroups = std::vector<TokenGroup>;

/// Packs [B_g, N_g, D] of every group into tokens_TD; one group is a view.
Tensor pack(const std::vector<Tensor>& groups_BND);
/// Undoes pack: a view [B_g, N_g, ...] of each group.
std::vector<Tensor> unpack(const Tensor& tokens_TD, const TokenGroups& groups);

}  // namespace eosin::nn
