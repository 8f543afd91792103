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

/// Mean and variance of a channel are those of the rows, or of all positions of the images, of all ranks together, and so are the gradients; running
/// averages serve in eval mode. Parameters and buffers are torch's: weight, bias, running_mean, running_var, num_batches_tracked.
///
/// Shapes   x_ND or x_NDHW -> the same; N is the same on all ranks.
/// Errors   Shape if x has not D channels, or there are fewer than two values a channel over all ranks in training.
/// Differs  computed and returned in float32 under autocast.
/// Checked  golden ssl.dino_head (the formula); tests/nn/test_batch_norm.cpp: torch's BatchNorm1d and 2d, two ranks against one process.
class BatchNormImpl : public torch::nn::Module {
 public:
  BatchNormImpl(int64_t dim, std::shared_ptr<Comm> comm, const BatchNormOptions& options = {});
  Tensor forward(const Tensor& x_ND);

 private:
  Tensor normalise_over_ranks(const Tensor& x_ND, int64_t rows);

  int64_t dim_;
  std::shared_ptr<Comm> comm_;
  BatchNormOptions options_;
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};
TORCH_MODULE(BatchNorm);

/// Whether there is a batch norm in it: its passes depend on the whole batch.
bool has_batch_norm(const torch::nn::Module& module);

}  // namespace eosin::nn
