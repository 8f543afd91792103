#pragma once
#include "core/tensor/tensor.h"

#include <functional>
#include <vector>

namespace eosin::mil {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// f(inputs), whose intermediate values are not kept but computed again in the backward pass (Chen et al. 2016, arXiv:1604.06174).
/// `parameters` are the other tensors that f reads and that get gradients. f must be a pure function: its draws come by key.
///
/// Checked  tests/mil/test_attention_pool.cpp.
std::vector<Tensor> recompute(const TensorFunction& f, const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters);

}  // namespace eosin::mil
