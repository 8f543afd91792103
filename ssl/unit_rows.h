#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Rows divided by max(length, eps) along the last dimension, in float32 at least.
Tensor unit_rows(const Tensor& x, double eps = 1e-12);

}  // namespace eosin::ssl
