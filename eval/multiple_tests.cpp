#include "eval/multiple_tests.h"

#include "core/base/error.h"

#include <algorithm>
#include <numeric>

namespace eosin::eval {
namespace {

std::vector<size_t> ascending(const char* where, std::span<const double> p) {
  EOSIN_CHECK(!p.empty(), Data, "[{}] there is no p-value (need at least 1)", where);
  for (size_t i = 0; i < p.size(); ++i) EOSIN_CHECK(p[i] >= 0 && p[i] <= 1, Data, "[{}] p-value {} is outside [0, 1] (got {})", where, i, p[i]);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  const auto order = ascending("eval.holm", p);
  std::vector<double> adjusted(p.size());
  double most = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    most = std::max(most, static_cast<double>(p.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(most, 1.0);
  }
  return adjusted;
}

std::vector<double> benjamini_hochberg(std::span<const double> p) {
  const auto order = ascending("eval.benjamini_hochberg", p);
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (size_t i = order.size(); i-- > 0;) {
    least = std::min(least, static_cast<double>(p.size()) * p[order[i]] / static_cast<double>(i + 1));
    adjusted[order[i]] = least;
  }
  return adjusted;
}

std::vector<bool> rejected(std::span<const double> adjusted, double alpha) {
  EOSIN_CHECK(alpha > 0 && alpha < 1, Config, "[eval.multiple_tests] alpha is outside (0, 1) (got {})", alpha);
  std::vector<bool> r;
  for (double p : adjusted) r.push_back(p <= alpha);
  return r;
}

}  // namespace eosin::eval
