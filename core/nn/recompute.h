#pragma once
// Activation checkpointing (Chen et al. 2016, arXiv:1604.06174): memory for time.
#include "core/tensor/tensor.h"

#include <functional>
#include <vector>

namespace eosin::nn {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// part(inputs), of which only the inputs are kept: the backward pass runs `part` once more. Where no gradient is wanted it is part(inputs).
///
/// `part` must give the same bits whenever it runs: what is random in it comes from counters, never from a generator with a state. It runs again
/// under the autocast that it first ran under. `parameters` are all else that it trains; what it refers to must live as long as the graph.
/// Gradients are those of part(inputs), bit for bit.
/// Checked  tests/nn/test_recompute.cpp.
std::vector<Tensor> recomputed(const std::vector<Tensor>& inputs, const std::vector<Tensor>& parameters, TensorFunction part);
/// The same of one tensor.
Tensor recomputed(const Tensor& x, const std::vector<Tensor>& parameters, std::function<Tensor(const Tensor&)> part);

}  // namespace eosin::nn
