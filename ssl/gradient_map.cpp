#include "ssl/gradient_map.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <array>

namespace eosin::ssl {

Tensor gradient_map(const Tensor& images_BCHW) {
  EOSIN_CHECK(images_BCHW.dim() == 4, Shape, "[gradient_map] images have {} dimensions (need [B, C, H, W])", images_BCHW.dim());
  const FullPrecision full_precision;
  const Tensor images = at_least_float(images_BCHW);
  const int64_t channels = images.size(1);
  const Tensor smooth = at::tensor({1.0, 2.0, 1.0}, at::kDouble) / 4, slope = at::tensor({-1.0, 0.0, 1.0}, at::kDouble) / 2;
  const Tensor along_x = smooth.unsqueeze(1) * slope.unsqueeze(0);
  const Tensor kernels = at::stack({along_x, along_x.t()}).unsqueeze(1).to(images.options()).repeat({channels, 1, 1, 1});
  const std::array<int64_t, 2> one{1, 1}, none{0, 0};
  const Tensor both = at::conv2d(at::replication_pad2d(images, {1, 1, 1, 1}), kernels, {}, one, none, one, channels);  // x and y of each channel
  return both.unflatten(1, {channels, 2}).square().sum(2).sqrt();
}

}  // namespace eosin::ssl
