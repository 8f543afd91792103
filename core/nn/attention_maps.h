#pragma once
#include "core/tensor/tensor.h"

#include <functional>

namespace eosin::nn {

/// Where the first token looks in the last attention call of `pass`: softmax(q k / sqrt(d)) of its query, for each head. The queries and keys are
/// those that the fused call was given, rotated and normed where the model does so: it is watched, not computed a second time.
///
/// Shapes   [B, heads, tokens], float32; undefined if the pass has no fused attention.
/// Checked  tests/nn/test_attention_maps.cpp.
Tensor last_attention_of_first_token(const std::function<void()>& pass);

}  // namespace eosin::nn
