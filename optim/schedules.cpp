#include "optim/schedules.h"

#include "core/base/error.h"

namespace eosin::optim {
namespace {

using config::Length;
using config::OneOf;
using config::Range;

constexpr double kManySteps = 1e12;

void check_fits(const char* what, int64_t steps, int64_t total) {
  EOSIN_CHECK(steps <= total, Config, "[schedule] {} takes {} steps and the run has {}; shorten it or train longer", what, steps, total);
}

struct Constant {
  void visit(config::Visitor&) {}
  Schedule make(double base, int64_t) const {
    return [base](int64_t) { return base; };
  }
};

struct WarmupCosineRow {
  std::optional<int64_t> warmup_steps;
  int64_t freeze_steps = 0;
  double start = 0.0, final = 1e-6, trunc_extra = 0.0;
  bool inclusive = false;
  void visit(config::Visitor& v) {
    v("warmup_steps", warmup_steps, "steps of the ramp from start to the peak; absent: a tenth of the run", Range{0, kManySteps});
    v("start", start, "value at the first step of the ramp", Range{0, 1e6});
    v("final", final, "value after the last step", Range{0, 1e6});
    v("freeze_steps", freeze_steps, "leading steps with the value 0", Range{0, kManySteps});
    v("trunc_extra", trunc_extra, "cut the cosine of a run longer by this fraction", Range{0, 10});
    v("inclusive", inclusive, "reach the final value at the last step, not one step later");
  }
  Schedule make(double base, int64_t total) const {
    const int64_t warmup = warmup_steps.value_or(total / 10);
    check_fits("warm-up", warmup + freeze_steps, total);
    WarmupCosine s;
    s.base = base, s.final = final, s.total = total, s.warmup = warmup, s.start = start;
    s.freeze = freeze_steps, s.trunc_extra = trunc_extra, s.inclusive = inclusive;
    return [s](int64_t step) { return warmup_cosine(s, step); };
  }
};

struct LinearWarmupCosineRow {
  int64_t warmup_steps = 0;
  std::optional<int64_t> cosine_steps;
  double start = 0.0, end = 1e-6;
  void visit(config::Visitor& v) {
    v("warmup_steps", warmup_steps, "steps of the ramp, end excluded", Range{0, kManySteps});
    v("cosine_steps", cosine_steps, "steps of the cosine; absent: the rest of the run", Range{1, kManySteps});
    v("start", start, "value at the first step", Range{0, 1e6});
    v("end", end, "value at the end of the cosine and after it", Range{0, 1e6});
  }
  Schedule make(double base, int64_t total) const {
    check_fits("warm-up and cosine", warmup_steps + cosine_steps.value_or(0), total);
    const LinearWarmupCosine s{start, base, end, warmup_steps, total, cosine_steps};
    return [s](int64_t step) { return linear_warmup_cosine(s, step); };
  }
};

struct WsdRow {
  int64_t warmup_steps = 0, decay_steps = 0;
  std::string warmup_type = "linear", decay_type = "1-sqrt";
  double min_ratio = 0.0;
  void visit(config::Visitor& v) {
    v("warmup_steps", warmup_steps, "steps of the rise", Range{0, kManySteps});
    v("decay_steps", decay_steps, "steps of the fall at the end of the run", Range{0, kManySteps});
    v("warmup_type", warmup_type, "shape of the rise", OneOf{{"linear", "cosine", "1-sqrt"}});
    v("decay_type", decay_type, "shape of the fall", OneOf{{"linear", "cosine", "1-sqrt"}});
    v("min_ratio", min_ratio, "lowest value as a share of the peak", Range{0, 1});
  }
  Schedule make(double base, int64_t total) const {
    check_fits("warm-up and decay", warmup_steps + decay_steps, total);
    const WarmupStableDecay s{base, warmup_steps, total - warmup_steps - decay_steps, decay_steps, warmup_type, decay_type, min_ratio};
    return [s](int64_t step) { return warmup_stable_decay(s, step); };
  }
};

struct OneCycleRow {
  double pct_start = 0.3, div_factor = 25.0, final_div_factor = 1e4;
  bool three_phase = false;
  std::string anneal = "cos";
  void visit(config::Visitor& v) {
    v("pct_start", pct_start, "share of the run that rises", Range{0, 1});
    v("div_factor", div_factor, "first value = peak / div_factor", Range{1, 1e12});
    v("final_div_factor", final_div_factor, "last value = first value / final_div_factor", Range{1, 1e12});
    v("three_phase", three_phase, "fall back to the first value before the final descent");
    v("anneal", anneal, "shape of the phases", OneOf{{"cos", "linear"}});
  }
  Schedule make(double base, int64_t total) const {
    OneCycle s;
    s.max_lr = base, s.total_steps = total, s.pct_start = pct_start, s.div_factor = div_factor, s.final_div_factor = final_div_factor;
    s.three_phase = three_phase, s.anneal = anneal;
    return [s](int64_t step) { return one_cycle_lr(s, step); };
  }
};

struct PolynomialRow {
  double power = 1.0;
  void visit(config::Visitor& v) { v("power", power, "exponent", Range{0, 100}); }
  Schedule make(double base, int64_t total) const {
    return [base, total, p = power](int64_t step) { return polynomial(base, total, p, step); };
  }
};

struct StepRow {
  double gamma = 0.1;
  int64_t step_size = 1000;
  void visit(config::Visitor& v) {
    v("gamma", gamma, "factor", Range{0, 1});
    v("step_size", step_size, "steps between two reductions", Range{1, kManySteps});
  }
  Schedule make(double base, int64_t) const {
    return [base, g = gamma, n = step_size](int64_t step) { return step_decay(base, g, n, step); };
  }
};

struct MultiStepRow {
  double gamma = 0.1;
  std::vector<int64_t> milestones;
  void visit(config::Visitor& v) {
    v("gamma", gamma, "factor", Range{0, 1});
    v("milestones", milestones, "steps at which the value is multiplied by gamma", Range{0, kManySteps});
  }
  Schedule make(double base, int64_t) const {
    return [base, g = gamma, m = milestones](int64_t step) { return multi_step(base, g, m, step); };
  }
};

struct LinearRow {
  double start_factor = 1.0, end_factor = 0.0;
  void visit(config::Visitor& v) {
    v("start_factor", start_factor, "factor at the first step", Range{0, 1e6});
    v("end_factor", end_factor, "factor at the end of the run", Range{0, 1e6});
  }
  Schedule make(double base, int64_t total) const {
    return [base, a = start_factor, b = end_factor, total](int64_t step) { return linear(base, a, b, total, step); };
  }
};

struct ExponentialRow {
  double gamma = 0.999;
  void visit(config::Visitor& v) { v("gamma", gamma, "factor of every step", Range{0, 1, config::kOpenLow}); }
  Schedule make(double base, int64_t) const {
    return [base, g = gamma](int64_t step) { return exponential(base, g, step); };
  }
};

struct CosineRestartsRow {
  int64_t t0 = 1000, t_mult = 1;
  double eta_min = 0.0;
  void visit(config::Visitor& v) {
    v("t0", t0, "steps of the first cycle", Range{1, kManySteps});
    v("t_mult", t_mult, "each cycle is so many times longer than the one before", Range{1, 1000});
    v("eta_min", eta_min, "value at the end of a cycle", Range{0, 1e6});
  }
  Schedule make(double base, int64_t) const {
    return [base, e = eta_min, n = t0, m = t_mult](int64_t step) { return cosine_restarts(base, e, n, m, step); };
  }
};

/// A row of the table with the function that builds from its config.
struct ScheduleRow {
  config::ConfigRow row;
  std::function<Schedule(const config::Choice&, double base, int64_t total)> make;
};

template <class Config>
ScheduleRow row(const char* name, const char* one_line, const char* source) {
  return {{name, one_line, source, [] { return std::make_unique<config::ConfigOf<Config>>(); }},
          [](const config::Choice& choice, double base, int64_t total) { return choice.as<Config>().make(base, total); }};
}

const std::vector<ScheduleRow>& rows() {
  static const std::vector<ScheduleRow> table = {
      row<WarmupCosineRow>("warmup_cosine", "linear warm-up, then half a cosine", "Caron 2021, arXiv:2104.14294"),
      row<LinearWarmupCosineRow>("linear_warmup_cosine", "warm-up, cosine, constant", "Simeoni 2025, arXiv:2508.10104"),
      row<WsdRow>("wsd", "warm-up, stable, decay", "Hu 2024, arXiv:2404.06395"),
      row<OneCycleRow>("one_cycle", "up and down once", "Smith and Topin 2017, arXiv:1708.07120"),
      row<PolynomialRow>("polynomial", "(1 - t)^power", "torch PolynomialLR"),
      row<LinearRow>("linear", "a straight line between two factors", "torch LinearLR"),
      row<StepRow>("step", "times gamma every step_size steps", "torch StepLR"),
      row<MultiStepRow>("multi_step", "times gamma at milestones", "torch MultiStepLR"),
      row<ExponentialRow>("exponential", "times gamma every step", "torch ExponentialLR"),
      row<CosineRestartsRow>("cosine_restarts", "cosine with warm restarts", "Loshchilov and Hutter 2017, arXiv:1608.03983"),
      row<Constant>("constant", "the peak value throughout", ""),
  };
  return table;
}

}  // namespace

const std::vector<config::ConfigRow>& schedule_table() {
  static const std::vector<config::ConfigRow> table = [] {
    std::vector<config::ConfigRow> all;
    for (const auto& r : rows()) all.push_back(r.row);
    return all;
  }();
  return table;
}

Schedule make_schedule(const config::Choice& choice, double base, int64_t total_steps) {
  for (const auto& r : rows())
    if (r.row.name == choice.name()) return r.make(choice, base, total_steps);
  fail(ErrorKind::Internal, "[schedule] '{}' is not in the table", choice.name());
}

}  // namespace eosin::optim
