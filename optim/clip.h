#pragma once
// Gradient clipping by norm. Nothing here waits for the device.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace eosin::optim {

/// Indices of gradients that share one norm.
using ClipGroups = std::vector<std::vector<int64_t>>;

/// Every gradient for itself, as DINO does it (utils.clip_gradients).
ClipGroups per_tensor(int64_t count);
/// All gradients together (torch.nn.utils.clip_grad_norm_).
ClipGroups global(int64_t count);

/// The 2-norm of each group before clipping, [groups], in the gradients' type on their device.
Tensor group_norms(const std::vector<Tensor>& grads, const ClipGroups& groups);

/// Multiplies each group in place by max_norm / (norm + 1e-6) where that is below 1; returns the norms before, [groups].
///
/// Checked  golden ssl.clip_gradients, tests/optim/test_clip.cpp.
Tensor clip_by_norm(std::vector<Tensor>& grads, const ClipGroups& groups, double max_norm);

}  // namespace eosin::optim
