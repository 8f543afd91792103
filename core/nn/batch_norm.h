#pragma once
// Batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167) whose batch is that of all ranks.
#include "core/tensor/comm.h"

#include <torch/nn/module.h>

#include <memory>

namespace eosin::nn {

struct BatchNormOptions {
  bool affine = true;
  double eps = 1e-5, momentum = 0.1;
};

/// Mean and variance are those of the rows of all ranks together, and so are the gradients; running averages serve in eval mode.
/// Parameters and buffers are torch's BatchNorm1d's: weight, bias, running_mean, running_var, num_batches_tracked.
///
/// Shapes   x_ND -> [N, D]; N is the same on all ranks.
/// Errors   Shape if x is no matrix of D columns, or there are fewer than two rows over all ranks in training.
/// Differs  computed and returned in float32 under autocast.
/// Checked  golden ssl.dino_head (the formula); tests/nn/test_batch_norm.cpp: torch's BatchNorm1d, two ranks against one process.
class BatchNormImpl : public torch::nn::Module {
 public:
  BatchNormImpl(int64_t dim, std::shared_ptr<Comm> comm, const BatchNormOptions& options = {});
  Tensor forward(const Tensor& x_ND);

 private:
  Tensor normalise_over_ranks(const Tensor& x_ND);

  int64_t dim_;
  std::shared_ptr<Comm> comm_;
  BatchNormOptions options_;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};
TORCH_MODULE(BatchNorm);

}  // namespace eosin::nn
