#include "data/resample_weights.h"

#include <algorithm>

#include "core/base/error.h"

namespace eosin::data {
namespace {

/// The weights in double, the kernel known at compile time: a view computes some 600 of them.
template <class Kernel, class T, class Round>
AxisWeights<T> axis_weights(int64_t n, int64_t m, bool mirror, Round round) {
  const kernels::Scale scale(n, m);
  AxisWeights<T> axis;
  for (int64_t i = 0; i < m; ++i) {
    const kernels::Window w = kernels::window_of(i, n, scale, Kernel::kSupport);
    axis.taps = std::max(axis.taps, w.high - w.low);
  }
  axis.first.resize(static_cast<size_t>(m));
  axis.weights.assign(static_cast<size_t>(m * axis.taps), T{});
  std::vector<double> values(static_cast<size_t>(axis.taps));
  for (int64_t i = 0; i < m; ++i) {
    const kernels::Window w = kernels::window_of(i, n, scale, Kernel::kSupport);
    double sum = 0;
    for (int64_t k = 0; k < w.high - w.low; ++k) sum += values[static_cast<size_t>(k)] = kernels::weight_of<Kernel>(k + w.low, w, scale);
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
      return axis_weights<kernels::Bilinear, T>(n, m, mirror, round);
    case Filter::kBicubic:
      return axis_weights<kernels::Bicubic, T>(n, m, mirror, round);
    case Filter::kLanczos:
      return axis_weights<kernels::Lanczos, T>(n, m, mirror, round);
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
