#include "eval/regression.h"

#include "core/base/error.h"
#include "eval/input.h"
#include "eval/ranks.h"

#include <cmath>
#include <string>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.regression_metrics";

std::vector<double> column(MatrixView m, int64_t d) {
  std::vector<double> v(static_cast<size_t>(m.rows));
  for (int64_t i = 0; i < m.rows; ++i) v[i] = m(i, d);
  return v;
}

/// Whether what counts is all the same; rounding of the mean would leave it a little variance.
bool constant(std::span<const double> v, Weights weight = {}) {
  const double* first = nullptr;
  for (size_t i = 0; i < v.size(); ++i) {
    if (weight_of(weight, i) == 0) continue;
    if (first && v[i] != *first) return false;
    first = &v[i];
  }
  return true;
}

void check_pair(std::span<const double> a, std::span<const double> b, const std::string& of) {
  check_length(kWhere, "values", b.size(), a.size());
  EOSIN_CHECK(a.size() > 1, Data, "[{}] too few samples for a correlation (got {}, need 2)", kWhere, a.size());
  check_finite(kWhere, "target", a);
  check_finite(kWhere, "prediction", b);
  EOSIN_CHECK(!constant(a) && !constant(b), Numeric, "[{}] undefined: {} is constant{}", kWhere, constant(a) ? "the target" : "the prediction", of);
}

/// Sums of squares and products about the weighted means.
struct Moments {
  double aa = 0, bb = 0, ab = 0;
};
Moments moments(std::span<const double> a, std::span<const double> b, Weights weight = {}) {
  double total = 0, mean_a = 0, mean_b = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double w = weight_of(weight, i);
    total += w, mean_a += w * a[i], mean_b += w * b[i];
  }
  mean_a /= total, mean_b /= total;
  Moments m;
  for (size_t i = 0; i < a.size(); ++i) {
    const double w = weight_of(weight, i), x = a[i] - mean_a, y = b[i] - mean_b;
    m.aa += w * x * x, m.bb += w * y * y, m.ab += w * x * y;
  }
  return m;
}

/// Of what is not constant.
double correlation(std::span<const double> a, std::span<const double> b, Weights weight = {}) {
  const Moments m = moments(a, b, weight);
  return m.ab / (std::sqrt(m.aa) * std::sqrt(m.bb));
}

void check_columns(MatrixView target, MatrixView pred) {
  EOSIN_CHECK(target.rows == pred.rows && target.cols == pred.cols, Data, "[{}] target and prediction differ in shape (got {} x {} and {} x {})",
              kWhere, target.rows, target.cols, pred.rows, pred.cols);
  EOSIN_CHECK(target.cols > 0, Data, "[{}] there is nothing to measure (got 0 columns)", kWhere);
}

std::string in_column(int64_t d) { return " in column " + std::to_string(d); }

/// One column's truth and predictions.
struct Pair {
  std::vector<double> truth, pred;
};

/// The mean over columns of a measure, made of each column once by `make`.
template <class Make>
Statistic mean_over_columns(MatrixView target, MatrixView pred, Make make) {
  check_columns(target, pred);
  std::vector<Statistic> of;
  for (int64_t d = 0; d < target.cols; ++d) of.push_back(make(Pair{column(target, d), column(pred, d)}, target.cols > 1 ? in_column(d) : ""));
  return [of = std::move(of)](Weights weight) -> std::optional<double> {
    double sum = 0;
    for (const Statistic& measure : of) {
      const auto value = measure(weight);
      if (!value) return std::nullopt;
      sum += *value;
    }
    return sum / static_cast<double>(of.size());
  };
}

}  // namespace

double pearson(std::span<const double> a, std::span<const double> b) {
  check_pair(a, b, "");
  return correlation(a, b);
}

double spearman(std::span<const double> a, std::span<const double> b) {
  check_pair(a, b, "");
  return correlation(average_ranks(a).rank, average_ranks(b).rank);
}

std::vector<double> pearson_columns(MatrixView target, MatrixView pred) {
  check_columns(target, pred);
  std::vector<double> r;
  for (int64_t d = 0; d < target.cols; ++d) {
    const auto t = column(target, d), p = column(pred, d);
    check_pair(t, p, in_column(d));
    r.push_back(correlation(t, p));
  }
  return r;
}

RegressionMetrics regression_metrics(MatrixView target, MatrixView pred) {
  RegressionMetrics m;
  m.pearson = pearson_columns(target, pred);
  const double n = static_cast<double>(target.rows);
  for (int64_t d = 0; d < target.cols; ++d) {
    const auto t = column(target, d), p = column(pred, d);
    double square = 0, size = 0;
    for (size_t i = 0; i < t.size(); ++i) square += (t[i] - p[i]) * (t[i] - p[i]), size += std::abs(t[i] - p[i]);
    m.spearman.push_back(correlation(average_ranks(t).rank, average_ranks(p).rank));
    m.r2.push_back(1 - square / moments(t, t).aa);
    m.mse.push_back(square / n);
    m.mae.push_back(size / n);
  }
  return m;
}

Statistic pearson_statistic(MatrixView target, MatrixView pred) {
  return mean_over_columns(target, pred, [](Pair p, const std::string& of) -> Statistic {
    check_pair(p.truth, p.pred, of);
    return [p = std::move(p)](Weights weight) -> std::optional<double> {
      if (constant(p.truth, weight) || constant(p.pred, weight)) return std::nullopt;
      return correlation(p.truth, p.pred, weight);
    };
  });
}

Statistic spearman_statistic(MatrixView target, MatrixView pred) {
  return mean_over_columns(target, pred, [](Pair p, const std::string& of) -> Statistic {
    check_pair(p.truth, p.pred, of);
    const SortedValues truth(p.truth), predicted(p.pred);
    return [p = std::move(p), truth, predicted](Weights weight) -> std::optional<double> {
      if (constant(p.truth, weight) || constant(p.pred, weight)) return std::nullopt;
      return correlation(truth.ranks(weight), predicted.ranks(weight), weight);
    };
  });
}

Statistic r2_statistic(MatrixView target, MatrixView pred) {
  return mean_over_columns(target, pred, [](Pair p, const std::string& of) -> Statistic {
    check_finite(kWhere, "target", p.truth);
    check_finite(kWhere, "prediction", p.pred);
    EOSIN_CHECK(!p.truth.empty() && !constant(p.truth), Numeric, "[{}] undefined: the target is constant{}", kWhere, of);
    return [p = std::move(p)](Weights weight) -> std::optional<double> {
      if (constant(p.truth, weight)) return std::nullopt;
      double square = 0;
      for (size_t i = 0; i < p.truth.size(); ++i) square += weight_of(weight, i) * (p.truth[i] - p.pred[i]) * (p.truth[i] - p.pred[i]);
      return 1 - square / moments(p.truth, p.truth, weight).aa;
    };
  });
}

Statistic mae_statistic(MatrixView target, MatrixView pred) {
  return mean_over_columns(target, pred, [](const Pair& p, const std::string&) {
    std::vector<double> error;
    for (size_t i = 0; i < p.truth.size(); ++i) error.push_back(std::abs(p.truth[i] - p.pred[i]));
    return mean_statistic(error);
  });
}

}  // namespace eosin::eval
