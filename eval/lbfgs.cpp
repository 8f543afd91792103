#include "eval/lbfgs.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>

namespace eosin::eval {
namespace {

using Vector = std::vector<double>;

constexpr double kArmijo = 1e-4, kCurvature = 0.9;
constexpr int kMostTrials = 40;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
void add_scaled(Vector& a, double s, const Vector& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += s * b[i];
}
double largest(const Vector& v) {
  double m = 0;
  for (double x : v) m = std::max(m, std::abs(x));
  return m;
}

struct Point {
  Vector x, gradient;
  double value = 0;
};

/// Steps and changes of gradient of the last iterations; direction() is minus the inverse Hessian's estimate times the gradient.
class History {
 public:
  explicit History(int64_t size) : size_(static_cast<size_t>(size)) {}
  void push(Vector step, Vector change) {
    const double curvature = dot(step, change);
    if (!(curvature > 1e-14 * dot(change, change))) return;
    if (pairs_.size() == size_) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), 1 / curvature});
  }
  void clear() { pairs_.clear(); }
  bool empty() const { return pairs_.empty(); }
  Vector direction(const Vector& gradient) const {
    Vector q = gradient;
    std::vector<double> alpha(pairs_.size());
    for (size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = pairs_[i].rho * dot(pairs_[i].step, q);
      add_scaled(q, -alpha[i], pairs_[i].change);
    }
    if (!pairs_.empty()) {
      const double scale = 1 / (pairs_.back().rho * dot(pairs_.back().change, pairs_.back().change));
      for (double& v : q) v *= scale;
    }
    for (size_t i = 0; i < pairs_.size(); ++i) add_scaled(q, alpha[i] - pairs_[i].rho * dot(pairs_[i].change, q), pairs_[i].step);
    for (double& v : q) v = -v;
    return q;
  }

 private:
  struct Pair {
    Vector step, change;
    double rho;
  };
  size_t size_;
  std::deque<Pair> pairs_;
};

/// A trial step: its length, value and slope along the direction.
struct Trial {
  double step = 0, value = 0, slope = 0;
};

/// Minimiser of the cubic through two trials (Nocedal and Wright, eq. 3.59), kept away from the ends of the interval.
double between(const Trial& a, const Trial& b) {
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  const double square = d1 * d1 - a.slope * b.slope;
  const double low = std::min(a.step, b.step), high = std::max(a.step, b.step), margin = 0.1 * (high - low);
  if (square >= 0) {
    const double d2 = std::copysign(std::sqrt(square), b.step - a.step);
    const double t = b.step - (b.step - a.step) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
    if (std::isfinite(t)) return std::clamp(t, low + margin, high - margin);
  }
  return 0.5 * (low + high);
}

class LineSearch {
 public:
  LineSearch(const Differentiable& f, const Point& from, const Vector& direction, int64_t& evaluations)
      : f_(f), from_(from), direction_(direction), evaluations_(evaluations), start_{0, from.value, dot(from.gradient, direction)} {}

  /// A point that meets the strong Wolfe conditions, or nothing.
  std::optional<Point> search(double step) {
    Trial previous = start_;
    for (int i = 0; i < kMostTrials; ++i) {
      const Trial trial = evaluate(step);
      if (accepts(trial)) return point_;
      if (!std::isfinite(trial.value)) {
        step = 0.5 * (previous.step + step);
        continue;
      }
      if (!descends(trial) || (i > 0 && trial.value >= previous.value)) return zoom(previous, trial);
      if (trial.slope >= 0) return zoom(trial, previous);
      previous = trial;
      step *= 2;
    }
    return std::nullopt;
  }

 private:
  bool descends(const Trial& t) const { return t.value <= start_.value + kArmijo * t.step * start_.slope; }
  bool accepts(const Trial& t) const {
    if (!std::isfinite(t.value)) return false;
    if (descends(t) && std::abs(t.slope) <= -kCurvature * start_.slope) return true;
    const double noise = 1e-13 * std::abs(start_.value);
    return t.value <= start_.value + noise && t.slope <= (2 * kArmijo - 1) * start_.slope && t.slope >= kCurvature * start_.slope;
  }
  std::optional<Point> zoom(Trial low, Trial high) {
    for (int i = 0; i < kMostTrials && low.step != high.step; ++i) {
      const Trial trial = evaluate(between(low, high));
      if (accepts(trial)) return point_;
      if (!descends(trial) || trial.value >= low.value) {
        high = trial;
      } else {
        if (trial.slope * (high.step - low.step) >= 0) high = low;
        low = trial;
      }
    }
    return std::nullopt;
  }
  Trial evaluate(double step) {
    ++evaluations_;
    point_.x = from_.x;
    add_scaled(point_.x, step, direction_);
    point_.gradient.resize(point_.x.size());
    point_.value = f_(point_.x, point_.gradient);
    return {step, point_.value, dot(point_.gradient, direction_)};
  }

  const Differentiable& f_;
  const Point& from_;
  const Vector& direction_;
  int64_t& evaluations_;
  Trial start_;
  Point point_;
};

}  // namespace

LbfgsResult minimize_lbfgs(const Differentiable& f, std::vector<double> start, const LbfgsOptions& options) {
  Point at{std::move(start), {}, 0};
  at.gradient.resize(at.x.size());
  at.value = f(at.x, at.gradient);
  LbfgsResult r;
  r.evaluations = 1;
  EOSIN_CHECK(std::isfinite(at.value) && std::isfinite(largest(at.gradient)), Numeric,
              "[eval.lbfgs] the function is not finite at the start (got {})", at.value);
  const auto done = [&] { return largest(at.gradient) <= options.tolerance * std::max(1.0, std::abs(at.value)); };
  History history(options.history);
  while (!(r.converged = done()) && r.iterations < options.max_iterations) {
    const Vector direction = history.direction(at.gradient);
    const double step = history.empty() ? std::min(1.0, 1 / std::sqrt(dot(at.gradient, at.gradient))) : 1.0;
    auto next = LineSearch(f, at, direction, r.evaluations).search(step);
    if (!next) {
      if (history.empty()) break;  // even steepest descent finds nothing lower: the value is exhausted
      history.clear();
      continue;
    }
    ++r.iterations;
    Vector moved = next->x, change = next->gradient;
    add_scaled(moved, -1, at.x);
    add_scaled(change, -1, at.gradient);
    history.push(std::move(moved), std::move(change));
    at = std::move(*next);
  }
  r.value = at.value;
  r.gradient_norm = largest(at.gradient);
  r.x = std::move(at.x);
  return r;
}

}  // namespace eosin::eval
