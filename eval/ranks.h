#pragma once
// Ranks with ties, of which the tests that use no distribution of the values are made.
#include <span>
#include <vector>

namespace eosin::eval {

/// Ranks 1 ... n ascending; equal values share the mean of their ranks (midranks). O(n log n).
struct Ranks {
  std::vector<double> rank;
  double ties = 0;  // sum of t^3 - t over runs of t equal values
};
Ranks average_ranks(std::span<const double> values);

}  // namespace eosin::eval
