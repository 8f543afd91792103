#pragma once
#include "core/tensor/tensor.h"

#include <string>

namespace eosin::ssl {

/// The mean difference of two images' amplitudes | |FFT2(pred)| - |FFT2(target)| | ("l1") or its square ("l2"), over all frequencies of the full,
/// unnormalised transform over height and width. In float32 at least.
///
/// Shapes   pred_BCHW, target_BCHW; returns a scalar.
/// Errors   Shape if they differ in shape; Config for another norm.
/// Checked  golden ssl.fourier_loss; tests/ssl/test_mae.cpp.
Tensor fourier_loss(const Tensor& pred_BCHW, const Tensor& target_BCHW, const std::string& norm = "l1");

}  // namespace eosin::ssl
