#pragma once
// The filters of resizing with antialias: which inputs make an output, and how much of each. Plain C++17, for CPU and CUDA alike.
#include "core/kernels/host_device.h"

#include <cmath>
#include <cstdint>

namespace eosin::kernels {

enum class Filter { kBilinear, kBicubic, kLanczos };

/// Triangle, support 1.
struct Bilinear {
  static constexpr double kSupport = 1;
  EOSIN_HOST_DEVICE static double at(double t) {
    t = std::fabs(t);
    return t < 1.0 ? 1.0 - t : 0.0;
  }
};

/// Cubic with a = -0.5, support 2.
struct Bicubic {
  static constexpr double kSupport = 2;
  EOSIN_HOST_DEVICE static double at(double t) {
    constexpr double a = -0.5;
    t = std::fabs(t);
    if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1;
    if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * a;
    return 0.0;
  }
};

/// Windowed sinc, support 3.
struct Lanczos {
  static constexpr double kSupport = 3;
  EOSIN_HOST_DEVICE static double sinc(double t) {
    if (t == 0.0) return 1.0;
    t *= 3.141592653589793;
    return std::sin(t) / t;
  }
  EOSIN_HOST_DEVICE static double at(double t) { return -3.0 <= t && t < 3.0 ? sinc(t) * sinc(t / 3) : 0.0; }
};

/// One axis from n pixels to m: the filter is stretched where it makes smaller.
struct Scale {
  double scale, stretch;
  EOSIN_HOST_DEVICE Scale(int64_t n, int64_t m) : scale(static_cast<double>(n) / static_cast<double>(m)), stretch(scale > 1.0 ? scale : 1.0) {}
};

/// The inputs [low, high) of output i.
struct Window {
  double centre;
  int64_t low, high;
};
EOSIN_HOST_DEVICE inline Window window_of(int64_t i, int64_t n, const Scale& s, double filter_support) {
  const double support = filter_support * s.stretch, centre = (static_cast<double>(i) + 0.5) * s.scale;
  const auto low = static_cast<int64_t>(centre - support + 0.5), high = static_cast<int64_t>(centre + support + 0.5);
  return {centre, low > 0 ? low : 0, high < n ? high : n};
}

/// The weight of input `k`, before the weights of a window are divided by their sum.
template <class Kernel>
EOSIN_HOST_DEVICE double weight_of(int64_t k, const Window& w, const Scale& s) {
  return Kernel::at((static_cast<double>(k) - w.centre + 0.5) * (1.0 / s.stretch));
}

}  // namespace eosin::kernels
