#include "eval/bootstrap.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/classification.h"
#include "eval/distributions.h"
#include "eval/ranking.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.bootstrap_ci";

/// Multiplicity of each row when its unit is drawn counts[unit] times.
std::vector<double> row_weights(const std::vector<double>& counts, std::span<const int64_t> group) {
  if (group.empty()) return counts;
  std::vector<double> w(group.size());
  for (size_t i = 0; i < group.size(); ++i) w[i] = counts[group[i]];
  return w;
}

std::vector<std::optional<double>> evaluate(const Statistic& statistic, int64_t n, const std::function<std::vector<double>(int64_t)>& weight) {
  std::vector<std::optional<double>> value(static_cast<size_t>(n));
  at::parallel_for(0, n, 16, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) value[b] = statistic(weight(b));
  });
  return value;
}

double mean(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size()); }

double deviation(const std::vector<double>& v) {
  const double m = mean(v);
  double square = 0;
  for (double x : v) square += (x - m) * (x - m);
  return std::sqrt(square / static_cast<double>(v.size() - 1));
}

/// Acceleration of BCa: skewness of the jackknife over units.
double acceleration(const Statistic& statistic, std::span<const int64_t> group, int64_t units) {
  const auto left_out = evaluate(statistic, units, [&](int64_t u) {
    std::vector<double> counts(static_cast<size_t>(units), 1.0);
    counts[u] = 0;
    return row_weights(counts, group);
  });
  std::vector<double> value;
  for (const auto& v : left_out) {
    EOSIN_CHECK(v.has_value(), Numeric, "[{}] BCa needs the metric without any one unit, and it is undefined there (a single class); use percentile",
                kWhere);
    value.push_back(*v);
  }
  const double m = mean(value), n = static_cast<double>(units);
  double square = 0, cube = 0;
  for (double v : value) {
    const double u = (n - 1) * (m - v);
    square += u * u, cube += u * u * u;
  }
  EOSIN_CHECK(square > 0, Numeric, "[{}] BCa is undefined: leaving any one unit out changes nothing; use percentile", kWhere);
  return cube / (n * n * n) / std::pow(square / (n * n), 1.5) / 6;
}

struct Levels {
  double low, high;
};
Levels bca_levels(const std::vector<double>& sorted, double estimate, double acceleration, double tail) {
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), estimate);
  const double below = static_cast<double>((first - sorted.begin()) + (last - sorted.begin())) / (2 * static_cast<double>(sorted.size()));
  EOSIN_CHECK(below > 0 && below < 1, Numeric, "[{}] BCa is undefined: every replicate lies on one side of the estimate ({}); use percentile", kWhere,
              estimate);
  const double z0 = normal_quantile(below), z = normal_quantile(tail);
  const auto level = [&](double q) { return normal_cdf(z0 + (z0 + q) / (1 - acceleration * (z0 + q))); };
  return {level(z), level(-z)};
}

void check_group(std::span<const int64_t> group, int64_t rows, int64_t units) {
  if (group.empty()) {
    EOSIN_CHECK(units == rows, Data, "[{}] resamples are of {} units, and there are {} rows", kWhere, units, rows);
    return;
  }
  check_length(kWhere, "groups", group.size(), static_cast<size_t>(rows));
  check_labels(kWhere, group, units);
}

}  // namespace

double percentile(std::span<const double> sorted, double q) {
  const double position = q / 100 * static_cast<double>(sorted.size() - 1);
  const size_t i = std::min(static_cast<size_t>(std::max(position, 0.0)), sorted.size() - 1);
  const double share = position - static_cast<double>(i);
  return i + 1 < sorted.size() ? sorted[i] + share * (sorted[i + 1] - sorted[i]) : sorted[i];
}

Statistic mean_statistic(std::span<const double> value) {
  check_finite("eval.mean", "value", value);
  EOSIN_CHECK(!value.empty(), Data, "[eval.mean] there is nothing to measure (got 0 samples, need at least 1)");
  return [v = std::vector<double>(value.begin(), value.end())](Weights weight) -> std::optional<double> {
    double sum = 0, total = 0;
    for (size_t i = 0; i < v.size(); ++i) sum += weight_of(weight, i) * v[i], total += weight_of(weight, i);
    if (!(total > 0)) return std::nullopt;
    return sum / total;
  };
}

Statistic accuracy_statistic(Labels target, Labels pred) {
  check_length("eval.accuracy", "predictions", pred.size(), target.size());
  std::vector<double> hit(target.size());
  for (size_t i = 0; i < hit.size(); ++i) hit[i] = target[i] == pred[i];
  return mean_statistic(hit);
}

Statistic balanced_accuracy_statistic(Labels target, Labels pred, int64_t num_classes) {
  confusion(target, pred, num_classes);
  return [t = std::vector<int64_t>(target.begin(), target.end()), p = std::vector<int64_t>(pred.begin(), pred.end()),
          num_classes](Weights weight) -> std::optional<double> {
    Matrix m(num_classes, num_classes);
    for (size_t i = 0; i < t.size(); ++i) m(t[i], p[i]) += weight_of(weight, i);
    if (std::none_of(m.values.begin(), m.values.end(), [](double v) { return v > 0; })) return std::nullopt;
    return balanced_accuracy(m);
  };
}

Statistic auroc_statistic(Labels target, std::span<const double> score) {
  auroc(target, score);
  auto ranked = std::make_shared<const RankedScores>(target, MatrixView{score.data(), static_cast<int64_t>(score.size()), 1});
  return [ranked](Weights weight) { return ranked->area(0, weight); };
}

Statistic difference(Statistic a, Statistic b) {
  return [a = std::move(a), b = std::move(b)](Weights weight) -> std::optional<double> {
    const auto x = a(weight), y = b(weight);
    if (!x || !y) return std::nullopt;
    return *x - *y;
  };
}

Statistic spread(std::vector<Statistic> all) {
  EOSIN_ASSERT(!all.empty());
  return [all = std::move(all)](Weights weight) -> std::optional<double> {
    double low = INFINITY, high = -INFINITY;
    for (const Statistic& one : all) {
      const auto v = one(weight);
      if (!v) return std::nullopt;
      low = std::min(low, *v), high = std::max(high, *v);
    }
    return high - low;
  };
}

Resampler Resampler::given(std::span<const int64_t> indices, int64_t units) {
  EOSIN_CHECK(units > 0 && !indices.empty() && indices.size() % static_cast<size_t>(units) == 0, Data,
              "[{}] resamples do not fit (got {} indices for {} units)", kWhere, indices.size(), units);
  check_labels(kWhere, indices, units);
  Resampler r;
  r.units_ = units;
  r.replicates_ = static_cast<int64_t>(indices.size()) / units;
  r.indices_.assign(indices.begin(), indices.end());
  return r;
}

Resampler Resampler::drawn(int64_t units, int64_t replicates, uint64_t seed) {
  EOSIN_CHECK(units > 0 && replicates > 1, Config, "[{}] need units and at least 2 replicates (got {} and {})", kWhere, units, replicates);
  Resampler r;
  r.units_ = units, r.replicates_ = replicates, r.seed_ = seed;
  return r;
}

std::vector<double> Resampler::counts(int64_t replicate) const {
  std::vector<double> count(static_cast<size_t>(units_));
  RandomStream draws(seed_, static_cast<uint64_t>(replicate), 0, RandomOp::kBootstrap);
  for (int64_t j = 0; j < units_; ++j) count[indices_.empty() ? draws.below(static_cast<uint32_t>(units_)) : indices_[replicate * units_ + j]] += 1;
  return count;
}

Interval bootstrap_interval(const Statistic& statistic, int64_t rows, std::span<const int64_t> group, const Resampler& resampler,
                            const BootstrapOptions& options) {
  EOSIN_CHECK(options.confidence > 0 && options.confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, options.confidence);
  check_group(group, rows, resampler.units());
  const auto estimate = statistic({});
  EOSIN_CHECK(estimate.has_value(), Data, "[{}] the metric is undefined on all rows (a single class)", kWhere);
  Interval r;
  r.estimate = *estimate;
  for (const auto& v : evaluate(statistic, resampler.replicates(), [&](int64_t b) { return row_weights(resampler.counts(b), group); }))
    if (v) r.replicates.push_back(*v);
  r.undefined = resampler.replicates() - static_cast<int64_t>(r.replicates.size());
  EOSIN_CHECK(r.replicates.size() > 1, Data, "[{}] the metric is undefined on {} of {} resamples; there is no interval", kWhere, r.undefined,
              resampler.replicates());
  r.standard_error = deviation(r.replicates);
  std::vector<double> sorted = r.replicates;
  std::sort(sorted.begin(), sorted.end());
  const double tail = (1 - options.confidence) / 2;
  const Levels levels = options.method == IntervalMethod::Bca
                            ? bca_levels(sorted, r.estimate, acceleration(statistic, group, resampler.units()), tail)
                            : Levels{tail, 1 - tail};
  r.low = percentile(sorted, 100 * levels.low);
  r.high = percentile(sorted, 100 * levels.high);
  if (options.method == IntervalMethod::Basic) {
    const double low = 2 * r.estimate - r.high;
    r.high = 2 * r.estimate - r.low;
    r.low = low;
  }
  return r;
}

}  // namespace eosin::eval
