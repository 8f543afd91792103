#pragma once
// What two blurs weigh a pixel's neighbours with. Plain C++17, for CPU and CUDA alike.
#include "core/kernels/host_device.h"

#include <cmath>
#include <cstdint>

namespace eosin::kernels {

/// Radius of the extended box that Pillow passes three times for a Gaussian of this radius: whole pixels and a share of one more.
EOSIN_HOST_DEVICE inline float extended_radius(double radius) {
  const auto given = static_cast<float>(radius);
  const float variance = given * given / 3.0f;
  const auto length = static_cast<float>(std::sqrt(12.0 * static_cast<double>(variance) + 1.0));
  const auto l = static_cast<float>(std::floor((static_cast<double>(length) - 1.0) / 2.0));
  float a = (2 * l + 1) * (l * (l + 1) - 3 * variance);
  a /= 6 * (variance - (l + 1) * (l + 1));
  return l + a;
}

/// The Gaussian at distance i, not divided by the sum.
EOSIN_HOST_DEVICE inline double gaussian_weight(int64_t i, double sigma) {
  return std::exp(-0.5 * (static_cast<double>(i) / sigma) * (static_cast<double>(i) / sigma));
}

enum class Border { kReflect, kReplicate };

/// The pixel of a line of n that stands for pixel i, which may lie outside; the edge is not repeated in a reflection.
EOSIN_HOST_DEVICE inline int64_t bordered(int64_t i, int64_t n, Border border) {
  if (i >= 0 && i < n) return i;
  if (border == Border::kReplicate) return i < 0 ? 0 : n - 1;
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

}  // namespace eosin::kernels
