#pragma once
#include "core/nn/pos_embed.h"

namespace eosin::nn {

/// Which axis of a patch's place comes first in its position. Weights of one order make no sense under the other.
///   XFirst  [sin(c w), cos(c w), sin(r w), cos(r w)] of column c and row r (MAE)
///   YFirst  [sin(r w), cos(r w), sin(c w), cos(c w)] (MoCo v3)
enum class SincosOrder { XFirst, YFirst };

/// Fixed two-dimensional sine-cosine positions: frequencies w_k = 10000^(-k / (dim / 4)), k < dim / 4, computed in float64.
///
/// Shapes   [1, prefix_tokens + grid.count(), dim] float32; the rows of prefix tokens are zeros.
/// Errors   Config if dim is no multiple of 4.
/// Checked  golden ssl.sincos_pos_embed; tests/nn/test_embeddings.cpp.
Tensor sincos_pos_embed(PatchGrid grid, int64_t dim, SincosOrder order, int64_t prefix_tokens);

}  // namespace eosin::nn
