#include "eval/ranks.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {

SortedValues::SortedValues(std::span<const double> values) : order_(values.size()) {
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  for (size_t i = 1; i <= order_.size(); ++i)
    if (i == order_.size() || values[order_[i]] != values[order_[i - 1]]) ends_.push_back(i);
}

std::vector<double> SortedValues::ranks(std::span<const double> weight) const {
  std::vector<double> rank(order_.size());
  double before = 0;
  size_t begin = 0;
  for (const size_t end : ends_) {
    double here = 0;
    for (size_t i = begin; i < end; ++i) here += weight.empty() ? 1 : weight[order_[i]];
    for (size_t i = begin; i < end; ++i) rank[order_[i]] = before + 0.5 * (here + 1);
    before += here;
    begin = end;
  }
  return rank;
}

double SortedValues::ties() const {
  double sum = 0;
  size_t begin = 0;
  for (const size_t end : ends_) {
    const double t = static_cast<double>(end - begin);
    sum += t * t * t - t;
    begin = end;
  }
  return sum;
}

Ranks average_ranks(std::span<const double> values) {
  const SortedValues sorted(values);
  return {sorted.ranks({}), sorted.ties()};
}

}  // namespace eosin::eval
