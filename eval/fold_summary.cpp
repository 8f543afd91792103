#include "eval/fold_summary.h"

#include "core/base/error.h"
#include "eval/input.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.fold_summary";

struct Moments {
  double mean, variance;
};
Moments moments(std::span<const double> v) {
  EOSIN_CHECK(v.size() > 1, Data, "[{}] too few samples: a spread needs two folds (got {})", kWhere, v.size());
  check_finite(kWhere, "fold", v);
  const double n = static_cast<double>(v.size()), mean = std::accumulate(v.begin(), v.end(), 0.0) / n;
  double square = 0;
  for (double x : v) square += (x - mean) * (x - mean);
  return {mean, square / (n - 1)};
}

}  // namespace

FoldSummary fold_summary(std::span<const double> value, double confidence) {
  EOSIN_CHECK(confidence > 0 && confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, confidence);
  const Moments m = moments(value);
  const double k = static_cast<double>(value.size()), sd = std::sqrt(m.variance);
  const double half = student_t_quantile(0.5 + confidence / 2, k - 1) * sd / std::sqrt(k);
  return {m.mean, sd, m.mean - half, m.mean + half};
}

TestResult corrected_resampled_t(std::span<const double> a, std::span<const double> b, double test_to_train_ratio) {
  check_length(kWhere, "folds b", b.size(), a.size());
  EOSIN_CHECK(test_to_train_ratio >= 0 && std::isfinite(test_to_train_ratio), Data, "[{}] ratio of test to training rows is negative (got {})",
              kWhere, test_to_train_ratio);
  std::vector<double> d(a.size());
  std::transform(a.begin(), a.end(), b.begin(), d.begin(), std::minus<>());
  const Moments m = moments(d);
  if (m.mean == 0 && m.variance == 0) return {0, 1};
  EOSIN_CHECK(m.variance > 0, Numeric, "[{}] undefined: every fold differs by {}, so the difference has no variance", kWhere, m.mean);
  const double k = static_cast<double>(a.size());
  const double t = m.mean / std::sqrt((1 / k + test_to_train_ratio) * m.variance);
  return {t, 2 * student_t_sf(std::abs(t), k - 1)};
}

}  // namespace eosin::eval
