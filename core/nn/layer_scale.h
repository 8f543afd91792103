#pragma once
#include "core/tensor/tensor.h"

#include <torch/nn/module.h>

namespace eosin::nn {

/// A learned factor per channel on a residual branch (Touvron et al. 2021, arXiv:2103.17239). Parameter `gamma`.
class LayerScaleImpl : public torch::nn::Module {
 public:
  LayerScaleImpl(int64_t dim, double init_value);
  Tensor forward(const Tensor& x) { return x * gamma; }

 private:
  Tensor gamma;
};
TORCH_MODULE(LayerScale);

}  // namespace eosin::nn
