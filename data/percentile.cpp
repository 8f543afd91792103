#include "data/percentile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/base/error.h"

namespace eosin::data {

Neighbours around_percentile(std::span<float> values, double percent) {
  EOSIN_ASSERT(!values.empty() && percent >= 0 && percent <= 100);
  const double rank = static_cast<double>(values.size() - 1) * percent / 100;
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), below, values.end());
  const float above = below + 1 == values.end() ? *below : *std::min_element(below + 1, values.end());
  return {*below, above, rank - std::floor(rank)};
}

double percentile(std::span<float> values, double percent) {
  const Neighbours n = around_percentile(values, percent);
  return n.mix(static_cast<double>(n.below), static_cast<double>(n.above));
}

}  // namespace eosin::data
