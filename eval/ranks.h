#pragma once
// Ranks with ties, of which the tests that use no distribution of the values are made.
#include <cstddef>
#include <span>
#include <vector>

namespace eosin::eval {

/// Ranks 1 ... n ascending; equal values share the mean of their ranks (midranks). O(n log n).
struct Ranks {
  std::vector<double> rank;
  double ties = 0;  // sum of t^3 - t over runs of t equal values
};
Ranks average_ranks(std::span<const double> values);

/// Values sorted once, so that the midranks of a resample cost O(n): a value that counts w times takes w ranks.
class SortedValues {
 public:
  explicit SortedValues(std::span<const double> values);
  /// Midrank of each value where value i counts weight[i] times (empty: once). That of a value which does not count means nothing.
  std::vector<double> ranks(std::span<const double> weight) const;
  double ties() const;  // sum of t^3 - t over runs of t equal values

 private:
  std::vector<size_t> order_;  // ascending
  std::vector<size_t> ends_;   // where each run of equal values ends in order_
};

}  // namespace eosin::eval
