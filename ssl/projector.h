#pragma once
// The MLP with batch norm that joint-embedding methods put behind the backbone: projector, expander, predictor.
#include "core/tensor/comm.h"
#include "core/tensor/tensor.h"

#include <torch/nn/module.h>

#include <memory>
#include <vector>

namespace eosin::ssl {

struct ProjectorShape {
  enum class LastNorm { kNone, kPlain, kAffine };  // after the last linear; plain: without weight and bias
  int64_t in_dim = 384, hidden_dim = 2048, out_dim = 256, layers = 2;
  LastNorm last_norm = LastNorm::kNone;
  bool last_bias = false;  // of the last linear; the others are followed by a norm, which takes any bias away
  bool gelu = false;       // instead of ReLU
};

/// Linear, batch norm over all ranks, activation, ..., Linear (, batch norm). Names count the activations too, as in a Sequential:
/// 0.weight, 1.{weight, bias, running_mean, ...}, 3.weight, ...
///
/// Shapes   x_ND -> [N, out_dim].
/// Errors   those of nn::BatchNorm.
/// Checked  tests/ssl/test_projector.cpp: names, two ranks against one process.
class ProjectorImpl : public torch::nn::Module {
 public:
  ProjectorImpl(const ProjectorShape& shape, std::shared_ptr<Comm> comm);
  /// Linears as torch's default, norms 1 and 0. `name` tells projector from predictor.
  void init_weights(uint64_t seed, const std::string& name);
  Tensor forward(const Tensor& x_ND);

 private:
  ProjectorShape shape_;
  std::vector<std::shared_ptr<torch::nn::Module>> layers_;
};
TORCH_MODULE(Projector);

}  // namespace eosin::ssl
