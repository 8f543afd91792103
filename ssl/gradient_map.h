#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// How steep an image is at every pixel: the length of its Sobel gradient, each channel by itself, with the border repeated. The kernels are
/// divided by 8, so that a ramp of one level a pixel has gradient 1. In float32 at least.
///
/// Shapes   images_BCHW -> the same.
/// Differs  from Uni4Eye (Cai et al. 2022, arXiv:2203.04614), whose second target this is: scale, border and what becomes of several channels
///          are ours, its images have one.
/// Checked  tests/ssl/test_gradient_map.cpp.
Tensor gradient_map(const Tensor& images_BCHW);

}  // namespace eosin::ssl
