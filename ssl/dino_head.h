#pragma once
// The projection head of the DINO family: an MLP, a bottleneck on the unit sphere, and prototypes.
#include "core/tensor/tensor.h"

#include <ATen/ops/linear.h>
#include <torch/nn/module.h>

namespace eosin::ssl {

struct DinoHeadShape {
  int64_t in_dim = 384, hidden_dim = 2048, bottleneck_dim = 256, n_prototypes = 65536, layers = 3;
  bool use_bn = false;      // batch norm after each hidden linear, with the batch's own statistics
  bool weight_norm = true;  // prototypes as direction and length; false: a plain linear (DINOv3)
  bool freeze_g = true;     // the lengths stay 1 (DINO's norm_last_layer)
};

/// Linear, GELU, ..., Linear to the bottleneck, L2 normalisation, prototypes without bias (Caron et al. 2021, arXiv:2104.14294).
/// Parameters `mlp.0.*`, `mlp.2.*`, ... (`mlp.*` for one layer) and `last_layer.{weight_g, weight_v}` or `last_layer.weight`.
///
/// Shapes   x_ND -> logits_NK.
/// Errors   Config if a size is not positive.
/// Checked  golden ssl.dino_head; tests/ssl/test_dino_parts.cpp.
class DinoHeadImpl : public torch::nn::Module {
 public:
  explicit DinoHeadImpl(const DinoHeadShape& shape);
  /// Linears normal 0.02 with bias 0; prototypes as torch's Linear (a plain linear: normal 0.02), lengths 1.
  /// Heads of other names draw other numbers.
  void init_weights(uint64_t seed, const std::string& head = "head");
  Tensor forward(const Tensor& x_ND) { return at::linear(project(x_ND), prototypes()); }
  /// The two factors of the logits: points on the unit sphere, and prototypes.
  ///
  /// Shapes   x_ND -> [N, bottleneck]; prototypes [K, bottleneck].
  Tensor project(const Tensor& x_ND);
  Tensor prototypes();

 private:
  DinoHeadShape shape_;
  std::vector<std::shared_ptr<torch::nn::Module>> layers_;
  Tensor weight_, weight_g_, weight_v_;
};
TORCH_MODULE(DinoHead);

}  // namespace eosin::ssl
