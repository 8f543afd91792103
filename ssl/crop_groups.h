#pragma once
#include "core/tensor/tensor.h"

#include <vector>

namespace eosin::ssl {

/// Neighbouring views of one size as one batch, crop-major: [v0 of all tiles, v1 of all tiles, ...]. Views that lie side by side in one
/// slab are joined without a copy.
///
/// Shapes   views_BCHW -> groups [n * B, C, H, W] in the order of the views.
/// Checked  tests/ssl/test_dino_parts.cpp.
std::vector<Tensor> group_by_size(const std::vector<Tensor>& views_BCHW);

}  // namespace eosin::ssl
