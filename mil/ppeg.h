#pragma once
#include "core/tensor/tensor.h"

#include <torch/nn/modules/conv.h>

namespace eosin::mil {

/// Pyramid position encoding (Shao et al. 2021, arXiv:2106.00908): the tiles as a picture, plus depth-wise 7x7, 5x5 and 3x3 convolutions of it.
/// Parameters `proj.*`, `proj1.*`, `proj2.*`.
///
/// Shapes   x [B, 1 + H W, D] -> the same; row 0 (the class token) passes, the others are row-major.
/// Errors   Shape if the rows are no H x W picture.
/// Checked  golden mil.ppeg.
class PpegImpl : public torch::nn::Module {
 public:
  explicit PpegImpl(int64_t dim);
  Tensor forward(const Tensor& x_BnD, int64_t height, int64_t width);

 private:
  torch::nn::Conv2d proj{nullptr}, proj1{nullptr}, proj2{nullptr};
};
TORCH_MODULE(Ppeg);

}  // namespace eosin::mil
