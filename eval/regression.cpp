#include "eval/regression.h"

#include "core/base/error.h"
#include "eval/input.h"
#include "eval/ranks.h"

#include <cmath>
#include <numeric>
#include <string>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.regression_metrics";

std::vector<double> column(MatrixView m, int64_t d) {
  std::vector<double> v(static_cast<size_t>(m.rows));
  for (int64_t i = 0; i < m.rows; ++i) v[i] = m(i, d);
  return v;
}

/// Values about their mean.
std::vector<double> centered(std::span<const double> v) {
  const double mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  std::vector<double> c;
  for (double x : v) c.push_back(x - mean);
  return c;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

bool constant(std::span<const double> v) {
  for (double x : v)
    if (x != v[0]) return false;
  return true;
}

void check_pair(std::span<const double> a, std::span<const double> b, const std::string& of) {
  check_length(kWhere, "values", b.size(), a.size());
  EOSIN_CHECK(a.size() > 1, Data, "[{}] too few samples for a correlation (got {}, need 2)", kWhere, a.size());
  check_finite(kWhere, "target", a);
  check_finite(kWhere, "prediction", b);
  EOSIN_CHECK(!constant(a) && !constant(b), Numeric, "[{}] undefined: {} is constant{}", kWhere, constant(a) ? "the target" : "the prediction", of);
}

double correlation(std::span<const double> a, std::span<const double> b) {
  const auto x = centered(a), y = centered(b);
  return dot(x, y) / (std::sqrt(dot(x, x)) * std::sqrt(dot(y, y)));
}

void check_columns(MatrixView target, MatrixView pred) {
  EOSIN_CHECK(target.rows == pred.rows && target.cols == pred.cols, Data, "[{}] target and prediction differ in shape (got {} x {} and {} x {})",
              kWhere, target.rows, target.cols, pred.rows, pred.cols);
  EOSIN_CHECK(target.cols > 0, Data, "[{}] there is nothing to measure (got 0 columns)", kWhere);
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
    check_pair(t, p, " in column " + std::to_string(d));
    r.push_back(correlation(t, p));
  }
  return r;
}

RegressionMetrics regression_metrics(MatrixView target, MatrixView pred) {
  RegressionMetrics m;
  m.pearson = pearson_columns(target, pred);
  const double n = static_cast<double>(target.rows);
  for (int64_t d = 0; d < target.cols; ++d) {
    const auto t = column(target, d), p = column(pred, d), about = centered(t);
    double square = 0, size = 0;
    for (size_t i = 0; i < t.size(); ++i) square += (t[i] - p[i]) * (t[i] - p[i]), size += std::abs(t[i] - p[i]);
    m.spearman.push_back(correlation(average_ranks(t).rank, average_ranks(p).rank));
    m.r2.push_back(1 - square / dot(about, about));
    m.mse.push_back(square / n);
    m.mae.push_back(size / n);
  }
  return m;
}

}  // namespace eosin::eval
