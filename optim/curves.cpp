#include "optim/curves.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace eosin::optim {
namespace {

constexpr double kPi = std::numbers::pi;

/// i-th of n values from a to b, both included.
double linspace(double a, double b, int64_t n, int64_t i) {
  if (n < 2) return a;
  return i == n - 1 ? b : a + static_cast<double>(i) * ((b - a) / static_cast<double>(n - 1));
}

/// From a at p = 0 to b at p = 1 along half a cosine.
double half_cosine(double a, double b, double p) { return b + 0.5 * (a - b) * (1.0 + std::cos(kPi * p)); }

double truncated_cosine(const WarmupCosine& s, int64_t n, int64_t i) {
  const auto points = static_cast<int64_t>((1.0 + s.trunc_extra) * static_cast<double>(n));
  const auto height = [&](int64_t k) { return (std::cos(linspace(0, kPi, points, k)) + 1.0) / 2.0; };
  const double last = height(n - 1);
  if (last == 1.0) return s.base;  // a single point
  return (height(i) - last) / (1.0 - last) * (s.base - s.final) + s.final;
}

double rising(const std::string& shape, double p) {
  if (shape == "linear") return p;
  if (shape == "cosine") return 0.5 * (1.0 - std::cos(kPi * p));
  if (shape == "1-sqrt") return 1.0 - std::sqrt(1.0 - p);
  fail(ErrorKind::Config, "[schedule] unknown ramp '{}'; use linear, cosine or 1-sqrt", shape);
}

double falling(const std::string& shape, double p) {
  if (shape == "linear") return 1.0 - p;
  if (shape == "cosine") return 0.5 * (1.0 + std::cos(kPi * p));
  if (shape == "1-sqrt") return 1.0 - std::sqrt(p);
  fail(ErrorKind::Config, "[schedule] unknown ramp '{}'; use linear, cosine or 1-sqrt", shape);
}

/// The piecewise path that both values of one cycle follow: `levels` has one value more than the cycle has phases.
double one_cycle(const OneCycle& s, const std::vector<double>& levels, int64_t step) {
  EOSIN_CHECK(s.anneal == "cos" || s.anneal == "linear", Config, "[schedule] unknown anneal '{}'; use cos or linear", s.anneal);
  const double n = static_cast<double>(s.total_steps), up = s.pct_start * n;
  const std::vector<double> ends = s.three_phase ? std::vector<double>{up - 1, 2 * up - 2, n - 1} : std::vector<double>{up - 1, n - 1};
  const double k = std::min(static_cast<double>(step), n - 1);
  size_t phase = 0;
  while (phase + 1 < ends.size() && k > ends[phase]) ++phase;
  const double begin = phase == 0 ? 0.0 : ends[phase - 1];
  const double length = ends[phase] - begin, p = length == 0.0 ? 1.0 : (k - begin) / length;
  const double a = levels[phase], b = levels[phase + 1];
  return s.anneal == "cos" ? half_cosine(a, b, p) : a + (b - a) * p;
}

}  // namespace

WarmupCosine WarmupCosine::of_epochs(double base, double final, int64_t epochs, int64_t steps_per_epoch, int64_t warmup_epochs, double start) {
  WarmupCosine s;
  s.base = base, s.final = final, s.start = start;
  s.total = epochs * steps_per_epoch, s.warmup = warmup_epochs * steps_per_epoch;
  return s;
}

double warmup_cosine(const WarmupCosine& s, int64_t step) {
  if (step >= s.total) return s.final;
  if (step < s.freeze) return 0.0;
  if (step < s.freeze + s.warmup) return linspace(s.start, s.base, s.warmup, step - s.freeze);
  const int64_t n = s.total - s.warmup - s.freeze, i = step - s.warmup - s.freeze;
  if (s.trunc_extra > 0.0) return truncated_cosine(s, n, i);
  return half_cosine(s.base, s.final, static_cast<double>(i) / static_cast<double>(s.inclusive ? std::max<int64_t>(n - 1, 1) : n));
}

double linear_warmup_cosine(const LinearWarmupCosine& s, int64_t step) {
  if (step < s.warmup) return s.start + (s.peak - s.start) * static_cast<double>(step) / static_cast<double>(s.warmup);
  const int64_t n = s.cosine.value_or(s.total - s.warmup), i = step - s.warmup;
  if (i >= n) return s.end;
  return (s.peak - s.end) * (1.0 + std::cos(linspace(0, kPi, n, i))) / 2.0 + s.end;
}

double epoch_cosine(const EpochCosine& s, int64_t step) {
  const double epoch = static_cast<double>(step) / static_cast<double>(s.steps_per_epoch);
  if (epoch < s.warmup_epochs) return s.base * epoch / s.warmup_epochs;
  return half_cosine(s.base, s.final, (epoch - s.warmup_epochs) / (s.epochs - s.warmup_epochs));
}

double warmup_stable_decay(const WarmupStableDecay& s, int64_t step) {
  const auto ramp = [&](double f) { return s.base * (f * (1.0 - s.min_ratio) + s.min_ratio); };
  if (step < s.warmup_steps) return ramp(rising(s.warmup_type, static_cast<double>(step) / static_cast<double>(s.warmup_steps)));
  if (step < s.warmup_steps + s.stable_steps) return s.base;
  const int64_t i = step - s.warmup_steps - s.stable_steps;
  if (i < s.decay_steps) return ramp(falling(s.decay_type, static_cast<double>(i) / static_cast<double>(s.decay_steps)));
  return s.base * s.min_ratio;
}

double one_cycle_lr(const OneCycle& s, int64_t step) {
  const double first = s.max_lr / s.div_factor, last = first / s.final_div_factor;
  return one_cycle(s, s.three_phase ? std::vector{first, s.max_lr, first, last} : std::vector{first, s.max_lr, last}, step);
}

double one_cycle_momentum(const OneCycle& s, int64_t step) {
  const double high = s.max_momentum, low = s.base_momentum;
  return one_cycle(s, s.three_phase ? std::vector{high, low, high, high} : std::vector{high, low, high}, step);
}

double polynomial(double base, int64_t total, double power, int64_t step) {
  return base * std::pow(1.0 - static_cast<double>(std::min(step, total)) / static_cast<double>(total), power);
}

double step_decay(double base, double gamma, int64_t step_size, int64_t step) {
  return base * std::pow(gamma, static_cast<double>(step / step_size));
}

double multi_step(double base, double gamma, const std::vector<int64_t>& milestones, int64_t step) {
  const auto passed = std::count_if(milestones.begin(), milestones.end(), [&](int64_t m) { return m <= step; });
  return base * std::pow(gamma, static_cast<double>(passed));
}

double linear(double base, double start_factor, double end_factor, int64_t total, int64_t step) {
  return base * (start_factor + (end_factor - start_factor) * static_cast<double>(std::min(step, total)) / static_cast<double>(total));
}

double exponential(double base, double gamma, int64_t step) { return base * std::pow(gamma, static_cast<double>(step)); }

double cosine_restarts(double base, double eta_min, int64_t t0, int64_t t_mult, int64_t step) {
  int64_t length = t0, i = step;
  if (t_mult == 1)
    i %= t0;
  else
    while (i >= length) i -= length, length *= t_mult;
  return half_cosine(base, eta_min, static_cast<double>(i) / static_cast<double>(length));
}

}  // namespace eosin::optim
