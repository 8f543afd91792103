#include "ssl/fourier_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor fourier_loss(const Tensor& pred_BCHW, const Tensor& target_BCHW, const std::string& norm) {
  EOSIN_CHECK(pred_BCHW.dim() == 4 && pred_BCHW.sizes() == target_BCHW.sizes(), Shape, "[fourier] images of [{}] and [{}] (need two of [B, C, H, W])",
              fmt::join(pred_BCHW.sizes().vec(), ", "), fmt::join(target_BCHW.sizes().vec(), ", "));
  EOSIN_CHECK(norm == "l1" || norm == "l2", Config, "[fourier] unknown norm '{}'; use l1 or l2", norm);
  const FullPrecision full_precision;
  const auto amplitudes = [](const Tensor& image) { return at::fft_fft2(at_least_float(image)).abs(); };
  const Tensor difference = amplitudes(pred_BCHW) - amplitudes(target_BCHW);
  return norm == "l1" ? difference.abs().mean() : difference.square().mean();
}

}  // namespace eosin::ssl
