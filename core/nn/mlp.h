#pragma once
#include "core/tensor/tensor.h"

#include <torch/nn/modules/linear.h>

namespace eosin::nn {

/// The feed-forward network of a transformer block. Parameters `fc1.*`, `fc2.*`.
/// Plain: fc2(GELU(fc1 x)), exact GELU. Gated (SwiGLU, Shazeer 2020, arXiv:2002.05202): fc1 is twice `hidden` wide and
/// (a, b) = its halves; fc2(SiLU(a) * b). timm calls this packed; DINOv2 calls fc1 `w12` and fc2 `w3`.
///
/// Shapes   x_*D -> [*, D].
/// Checked  golden nn.vit, nn.vit_dinov2.
class MlpImpl : public torch::nn::Module {
 public:
  MlpImpl(int64_t dim, int64_t hidden, bool gated);
  Tensor forward(const Tensor& x);

 private:
  bool gated_;
  torch::nn::Linear fc1{nullptr}, fc2{nullptr};
};
TORCH_MODULE(Mlp);

}  // namespace eosin::nn
