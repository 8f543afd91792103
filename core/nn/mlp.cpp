#include "core/nn/mlp.h"

#include <ATen/ATen.h>

namespace eosin::nn {

MlpImpl::MlpImpl(int64_t dim, int64_t hidden, bool gated)
    : gated_(gated),
      fc1(register_module("fc1", torch::nn::Linear(dim, gated ? 2 * hidden : hidden))),
      fc2(register_module("fc2", torch::nn::Linear(hidden, dim))) {}

Tensor MlpImpl::forward(const Tensor& x) {
  const Tensor wide = fc1(x);
  if (!gated_) return fc2(at::gelu(wide));
  const std::vector<Tensor> half = wide.chunk(2, -1);
  return fc2(at::silu(half[0]) * half[1]);
}

}  // namespace eosin::nn
