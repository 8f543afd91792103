#include "eval/cox.h"

#include "core/base/error.h"
#include "eval/cholesky.h"
#include "eval/distributions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.cox";
constexpr int64_t kMostIterations = 50;

/// Partial likelihood at a point: value, gradient and observed information.
struct Likelihood {
  double value = 0;
  std::vector<double> gradient;
  Matrix information;
};

/// Sums over subjects of exp(beta x) times 1, x, x x^T.
struct Moments {
  explicit Moments(int64_t dim) : first(static_cast<size_t>(dim)), second(dim, dim) {}
  void add(double risk, std::span<const double> x) {
    zeroth += risk;
    for (size_t a = 0; a < x.size(); ++a) {
      first[a] += risk * x[a];
      for (size_t b = 0; b <= a; ++b) second(static_cast<int64_t>(a), static_cast<int64_t>(b)) += risk * x[a] * x[b];
    }
  }
  double zeroth = 0;
  std::vector<double> first;
  Matrix second;  // lower triangle
};

/// Subjects by descending time, covariates with mean 0 and deviation 1.
struct Design {
  Matrix x;
  std::vector<double> time;
  std::vector<bool> event;
  std::vector<double> scale;
};

Design design_of(FollowUp s, MatrixView x) {
  std::vector<size_t> order(s.time.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return s.time[a] > s.time[b]; });
  Design d{Matrix(x.rows, x.cols), {}, {}, {}};
  for (size_t who : order) d.time.push_back(s.time[who]), d.event.push_back(s.event[who] == 1);
  for (int64_t c = 0; c < x.cols; ++c) {
    double mean = 0, square = 0;
    for (int64_t i = 0; i < x.rows; ++i) mean += x(i, c);
    mean /= static_cast<double>(x.rows);
    for (int64_t i = 0; i < x.rows; ++i) square += (x(i, c) - mean) * (x(i, c) - mean);
    d.scale.push_back(std::sqrt(square / static_cast<double>(x.rows)));
    EOSIN_CHECK(d.scale[c] > 1e-12 * std::abs(mean), Data, "[{}] covariate {} is constant (got {} for all); leave it out", kWhere, c, mean);
    for (int64_t i = 0; i < x.rows; ++i) d.x(i, c) = (x(static_cast<int64_t>(order[i]), c) - mean) / d.scale[c];
  }
  return d;
}

/// Efron's term of one event time with d events: the l-th denominator leaves out l/d of those who have the event.
void add_events(const Moments& at_risk, const Moments& tied, int64_t d, Likelihood& l) {
  const auto dim = static_cast<int64_t>(l.gradient.size());
  for (int64_t i = 0; i < d; ++i) {
    const double out = static_cast<double>(i) / static_cast<double>(d), total = at_risk.zeroth - out * tied.zeroth;
    l.value -= std::log(total);
    std::vector<double> mean(static_cast<size_t>(dim));
    for (int64_t a = 0; a < dim; ++a) {
      mean[a] = (at_risk.first[a] - out * tied.first[a]) / total;
      l.gradient[a] -= mean[a];
      for (int64_t b = 0; b <= a; ++b) l.information(a, b) += (at_risk.second(a, b) - out * tied.second(a, b)) / total - mean[a] * mean[b];
    }
  }
}

Likelihood likelihood(const Design& d, const std::vector<double>& beta) {
  const int64_t dim = d.x.cols;
  Likelihood l{0, std::vector<double>(beta.size()), Matrix(dim, dim)};
  Moments at_risk(dim);
  for (size_t begin = 0, end = 0; begin < d.time.size(); begin = end) {
    Moments tied(dim);
    int64_t events = 0;
    for (; end < d.time.size() && d.time[end] == d.time[begin]; ++end) {
      const auto x = d.x.row(static_cast<int64_t>(end));
      const double log_risk = std::inner_product(x.begin(), x.end(), beta.begin(), 0.0), risk = std::exp(log_risk);
      at_risk.add(risk, x);
      if (!d.event[end]) continue;
      ++events;
      tied.add(risk, x);
      l.value += log_risk;
      for (int64_t a = 0; a < dim; ++a) l.gradient[a] += x[a];
    }
    add_events(at_risk, tied, events, l);
  }
  for (int64_t a = 0; a < dim; ++a)
    for (int64_t b = 0; b < a; ++b) l.information(b, a) = l.information(a, b);
  return l;
}

Cholesky factor_of(const Likelihood& l) {
  auto factor = Cholesky::of(l.information);
  EOSIN_CHECK(factor.has_value(), Numeric,
              "[{}] the information is singular: covariates are collinear or one orders the events perfectly; leave one out", kWhere);
  return std::move(*factor);
}

/// Where a covariate orders the events perfectly, gradient and information both vanish far out, and a step of 0 looks like a maximum.
void check_informed(const Likelihood& l, int64_t events) {
  for (int64_t a = 0; a < l.information.rows; ++a)
    EOSIN_CHECK(l.information(a, a) > 1e-10 * static_cast<double>(events), Numeric,
                "[{}] covariate {} orders the events (almost) perfectly: its coefficient has no finite maximum; leave it out", kWhere, a);
}

double largest(const std::vector<double>& v) {
  double most = 0;
  for (double x : v) most = std::max(most, std::abs(x));
  return most;
}

}  // namespace

Cox cox(FollowUp subjects, MatrixView x_ND, double confidence) {
  EOSIN_CHECK(confidence > 0 && confidence < 1, Config, "[{}] confidence is outside (0, 1) (got {})", kWhere, confidence);
  check_follow_up(kWhere, subjects);
  EOSIN_CHECK(x_ND.cols > 0, Data, "[{}] there is no covariate", kWhere);
  check_scores(kWhere, x_ND, subjects.time.size(), x_ND.cols);
  EOSIN_CHECK(std::count(subjects.event.begin(), subjects.event.end(), 1) > 0, Data, "[{}] nobody has an event: all {} subjects are censored", kWhere,
              subjects.time.size());
  const Design design = design_of(subjects, x_ND);
  std::vector<double> beta(static_cast<size_t>(x_ND.cols));
  Likelihood now = likelihood(design, beta);
  Cox r;
  for (bool converged = false; !converged; ++r.iterations) {
    EOSIN_CHECK(r.iterations < kMostIterations, Numeric,
                "[{}] no finite maximum after {} steps: a covariate orders the events (almost) perfectly; leave it out", kWhere, kMostIterations);
    std::vector<double> step = factor_of(now).solve(now.gradient);
    // Near the maximum the likelihood is flat to rounding, and the last steps may seem to lower it.
    converged = largest(step) <= 1e-9 * std::max(1.0, largest(beta));
    std::vector<double> next(beta.size());
    for (int halvings = 0;; ++halvings) {
      std::transform(beta.begin(), beta.end(), step.begin(), next.begin(), std::plus<>());
      Likelihood l = likelihood(design, next);
      const bool rises = l.value >= now.value - 1e-12 * std::abs(now.value);
      if (rises || halvings == 30) {
        now = std::move(l), beta = next;
        break;
      }
      for (double& v : step) v *= 0.5;
    }
  }
  check_informed(now, std::count(subjects.event.begin(), subjects.event.end(), 1));
  const Matrix covariance = factor_of(now).inverse();
  const double z = normal_quantile(0.5 + confidence / 2);
  r.log_likelihood = now.value;
  for (size_t a = 0; a < beta.size(); ++a) {
    const auto i = static_cast<int64_t>(a);
    r.coef.push_back(beta[a] / design.scale[a]);
    r.se.push_back(std::sqrt(covariance(i, i)) / design.scale[a]);
    r.hazard_ratio.push_back(std::exp(r.coef[a]));
    r.hr_low.push_back(std::exp(r.coef[a] - z * r.se[a]));
    r.hr_high.push_back(std::exp(r.coef[a] + z * r.se[a]));
  }
  return r;
}

}  // namespace eosin::eval
