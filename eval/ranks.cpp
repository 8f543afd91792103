#include "eval/ranks.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {

Ranks average_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  Ranks r{std::vector<double>(values.size()), 0};
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = 0.5 * static_cast<double>(begin + 1 + end), t = static_cast<double>(end - begin);
    for (size_t i = begin; i < end; ++i) r.rank[order[i]] = shared;
    r.ties += t * t * t - t;
  }
  return r;
}

}  // namespace eosin::eval
