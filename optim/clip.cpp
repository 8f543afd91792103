#include "optim/clip.h"

#include <ATen/ATen.h>

#include <numeric>

namespace eosin::optim {

ClipGroups per_tensor(int64_t count) {
  ClipGroups groups;
  for (int64_t i = 0; i < count; ++i) groups.push_back({i});
  return groups;
}

ClipGroups global(int64_t count) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return {std::move(all)};
}

Tensor group_norms(const std::vector<Tensor>& grads, const ClipGroups& groups) {
  if (grads.empty()) return at::zeros({static_cast<int64_t>(groups.size())});
  const std::vector<Tensor> norms = at::_foreach_norm(grads, 2);
  std::vector<Tensor> joint;
  for (const auto& group : groups) {
    std::vector<Tensor> members;
    for (int64_t i : group) members.push_back(norms[static_cast<size_t>(i)].to(norms[0].scalar_type()));
    joint.push_back(members.empty() ? at::zeros_like(norms[0]) : members.size() == 1 ? members[0] : at::stack(members).norm());
  }
  return joint.empty() ? at::zeros({0}, norms[0].options()) : at::stack(joint);
}

Tensor clip_by_norm(std::vector<Tensor>& grads, const ClipGroups& groups, double max_norm) {
  at::NoGradGuard no_grad;
  const Tensor norms = group_norms(grads, groups);
  const std::vector<Tensor> factors = (max_norm / (norms + 1e-6)).clamp_max(1.0).unbind();
  for (size_t g = 0; g < groups.size(); ++g)
    for (int64_t i : groups[g]) grads[static_cast<size_t>(i)].mul_(factors[g]);
  return norms;
}

}  // namespace eosin::optim
