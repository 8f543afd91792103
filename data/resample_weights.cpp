#include "data/resample_weights.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"

namespace eosin::data {
namespace {

double triangle(double t) { return std::max(0.0, 1.0 - std::abs(t)); }

double cubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1;
  if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * a;
  return 0.0;
}

double sinc(double t) {
  if (t == 0.0) return 1.0;
  t *= std::numbers::pi;
  return std::sin(t) / t;
}
double lanczos(double t) { return -3.0 <= t && t < 3.0 ? sinc(t) * sinc(t / 3) : 0.0; }

struct Window {
  double centre;
  int64_t low, high;
};
Window window_of(int64_t i, int64_t n, double scale, double support) {
  const double centre = (static_cast<double>(i) + 0.5) * scale;
  return {centre, std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0),
          std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), n)};
}

/// The weights in double, the kernel known at compile time: a view computes some 600 of them.
template <double Kernel(double), class T, class Round>
AxisWeights<T> axis_weights(int64_t n, int64_t m, double support_px, bool mirror, Round round) {
  const double scale = static_cast<double>(n) / static_cast<double>(m);
  const double filter_scale = std::max(scale, 1.0);
  const double support = support_px * filter_scale;
  AxisWeights<T> axis;
  for (int64_t i = 0; i < m; ++i) {
    const Window w = window_of(i, n, scale, support);
    axis.taps = std::max(axis.taps, w.high - w.low);
  }
  axis.first.resize(static_cast<size_t>(m));
  axis.weights.assign(static_cast<size_t>(m * axis.taps), T{});
  std::vector<double> values(static_cast<size_t>(axis.taps));
  for (int64_t i = 0; i < m; ++i) {
    const Window w = window_of(i, n, scale, support);
    double sum = 0;
    for (int64_t k = 0; k < w.high - w.low; ++k)
      sum += values[static_cast<size_t>(k)] = Kernel((static_cast<double>(k + w.low) - w.centre + 0.5) * (1.0 / filter_scale));
    const int64_t at = mirror ? m - 1 - i : i;
    const int64_t first = std::min(w.low, n - axis.taps);
    axis.first[static_cast<size_t>(at)] = first;
    T* out = axis.weights.data() + at * axis.taps + (w.low - first);
    for (int64_t k = 0; k < w.high - w.low; ++k) out[k] = round(sum != 0 ? values[static_cast<size_t>(k)] / sum : 0.0);
  }
  return axis;
}

template <class T, class Round>
AxisWeights<T> axis_weights(int64_t n, int64_t m, Filter filter, bool mirror, Round round) {
  EOSIN_CHECK(n > 0 && m > 0, Shape, "[resize] sizes must be positive (got {} to {})", n, m);
  switch (filter) {
    case Filter::kBilinear:
      return axis_weights<triangle, T>(n, m, 1.0, mirror, round);
    case Filter::kBicubic:
      return axis_weights<cubic, T>(n, m, 2.0, mirror, round);
    case Filter::kLanczos:
      return axis_weights<lanczos, T>(n, m, 3.0, mirror, round);
  }
  EOSIN_ASSERT(!"unknown filter");
  return {};
}

}  // namespace

Filter filter_by_name(std::string_view name) {
  if (name == "bilinear") return Filter::kBilinear;
  if (name == "bicubic") return Filter::kBicubic;
  if (name == "lanczos") return Filter::kLanczos;
  fail(ErrorKind::Config, "[resize] unknown filter (got '{}', need bilinear, bicubic or lanczos)", name);
}

AxisWeights<float> float_weights(int64_t n, int64_t m, Filter filter, bool mirror) {
  return axis_weights<float>(n, m, filter, mirror, [](double w) { return static_cast<float>(w); });
}

AxisWeights<int32_t> fixed_weights(int64_t n, int64_t m, Filter filter) {
  return axis_weights<int32_t>(n, m, filter, false, [](double w) { return static_cast<int32_t>(w * (1 << kFixedBits) + (w < 0 ? -0.5 : 0.5)); });
}

}  // namespace eosin::data
