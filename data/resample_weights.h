#pragma once
// Which input pixels make an output pixel, and how much of each: the separable antialiased filters of Pillow and torch.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/kernels/resample_element.h"

namespace eosin::data {

using kernels::Filter;

/// "bilinear", "bicubic", "lanczos"; Config error otherwise.
Filter filter_by_name(std::string_view name);

/// Weights of one axis, n pixels to m. Output i = sum over k < taps of weights[i * taps + k] * input[first[i] + k]; every window lies
/// inside the input (short ones are padded with zero weights), so that inner loops have one length and no bounds.
template <class T>
struct AxisWeights {
  int64_t taps = 0;
  std::vector<int64_t> first;
  std::vector<T> weights;

  int64_t size() const { return static_cast<int64_t>(first.size()); }
  const T* of(int64_t i) const { return weights.data() + i * taps; }
};

/// Weights are computed in double and rounded to float. `mirror` gives output i what belongs to m-1-i.
AxisWeights<float> float_weights(int64_t n, int64_t m, Filter filter, bool mirror = false);

/// Fixed point with 22 fractional bits, rounded half away from zero, as in Pillow.
AxisWeights<int32_t> fixed_weights(int64_t n, int64_t m, Filter filter);
inline constexpr int kFixedBits = 22;

}  // namespace eosin::data
