#pragma once
// Percentiles as numpy's default makes them: between the two nearest values, linearly.
#include <span>

namespace eosin::data {

/// The values beside a percentile, and how far it lies from the first to the second.
struct Neighbours {
  float below = 0, above = 0;
  double share = 0;
  double mix(double a, double b) const { return a + (b - a) * share; }
};

/// Puts `values` in another order. There must be at least one, and `percent` in [0, 100].
Neighbours around_percentile(std::span<float> values, double percent);

/// Checked  tests/data/test_stain.cpp.
double percentile(std::span<float> values, double percent);

}  // namespace eosin::data
