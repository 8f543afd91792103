#include "mil/ppeg.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

torch::nn::Conv2d depthwise(int64_t dim, int64_t kernel) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(dim, dim, kernel).padding(kernel / 2).groups(dim));
}

}  // namespace

PpegImpl::PpegImpl(int64_t dim)
    : proj(register_module("proj", depthwise(dim, 7))),
      proj1(register_module("proj1", depthwise(dim, 5))),
      proj2(register_module("proj2", depthwise(dim, 3))) {}

Tensor PpegImpl::forward(const Tensor& x_BnD, int64_t height, int64_t width) {
  EOSIN_CHECK(x_BnD.dim() == 3 && x_BnD.size(1) == 1 + height * width, Shape, "[ppeg] tokens are [{}] (need [B, 1 + {} * {}, D])",
              fmt::join(x_BnD.sizes().vec(), ", "), height, width);
  const Tensor picture = x_BnD.narrow(1, 1, height * width).transpose(1, 2).unflatten(2, {height, width});
  const Tensor placed = picture + proj(picture) + proj1(picture) + proj2(picture);
  return at::cat({x_BnD.narrow(1, 0, 1), placed.flatten(2).transpose(1, 2)}, 1);
}

}  // namespace eosin::mil
