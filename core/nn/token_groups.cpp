#include "core/nn/token_groups.h"

#include <ATen/ATen.h>

namespace eosin::nn {

Tensor pack(const std::vector<Tensor>& groups_BND) {
  std::vector<Tensor> flat;
  for (const Tensor& group : groups_BND) flat.push_back(group.flatten(0, 1));
  return flat.size() == 1 ? flat.front() : at::cat(flat, 0);
}

std::vector<Tensor> unpack(const Tensor& tokens_TD, const TokenGroups& groups) {
  if (groups.size() == 1) return {tokens_TD.view({groups[0].sequences, groups[0].length, -1})};
  std::vector<int64_t> sizes;
  for (const TokenGroup& group : groups) sizes.push_back(group.tokens());
  std::vector<Tensor> parts = tokens_TD.split_with_sizes(sizes, 0);  // its gradient is one concatenation, unlike narrow's
  for (size_t g = 0; g < parts.size(); ++g) parts[g] = parts[g].view({groups[g].sequences, groups[g].length, -1});
  return parts;
}

}  // namespace eosin::nn
