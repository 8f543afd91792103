#pragma once
// Curves: pure functions from the step to a value (learning rate, weight decay, momentum, temperature). A curve has no state, so a
// resumed run is on it by construction; the one exception, which listens to a metric, is optim/plateau.h.
//
// Checked  golden optim.schedule and ssl.schedule, tests/optim/test_curves.cpp.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::optim {

/// Warm-up, then half a cosine, as the self-distillation recipes have it (DINO utils.cosine_scheduler, DINOv2 CosineScheduler).
struct WarmupCosine {
  double base = 1.0, final = 0.0;
  int64_t total = 0;   // steps in all; from there on the value is `final`
  int64_t warmup = 0;  // steps of the ramp from `start` to `base`, both ends included
  double start = 0.0;
  int64_t freeze = 0;        // leading steps with the value 0
  double trunc_extra = 0.0;  // > 0: the cosine of a run longer by this fraction, cut at `total` and stretched to reach `final`
  bool inclusive = false;    // reach `final` at the last step instead of one step later

  /// The same in epochs of a finite set.
  static WarmupCosine of_epochs(double base, double final, int64_t epochs, int64_t steps_per_epoch, int64_t warmup_epochs, double start = 0.0);
};
/// Differs  base comes twice, at the last warm-up step and at the first of the cosine, as in the reference.
double warmup_cosine(const WarmupCosine& s, int64_t step);

/// Warm-up that excludes its end, a cosine of `cosine` steps that includes both ends, then constant (DINOv3, cosine_lr_scheduler).
struct LinearWarmupCosine {
  double start = 0.0, peak = 1.0, end = 0.0;
  int64_t warmup = 0, total = 0;
  std::optional<int64_t> cosine;  // absent: total - warmup
};
double linear_warmup_cosine(const LinearWarmupCosine& s, int64_t step);

/// Warm-up from 0 and half a cosine in fractions of an epoch (MAE, util/lr_sched.py).
struct EpochCosine {
  double base = 1.0, final = 0.0;
  double epochs = 1, warmup_epochs = 0;
  int64_t steps_per_epoch = 1;
};
double epoch_cosine(const EpochCosine& s, int64_t step);

/// Warm-up, stable, decay (Hu et al. 2024, arXiv:2404.06395; get_wsd_schedule of transformers). Shapes: linear, cosine, 1-sqrt.
struct WarmupStableDecay {
  double base = 1.0;
  int64_t warmup_steps = 0, stable_steps = 0, decay_steps = 0;
  std::string warmup_type = "linear", decay_type = "linear";
  double min_ratio = 0.0;
};
double warmup_stable_decay(const WarmupStableDecay& s, int64_t step);

/// One cycle (Smith and Topin 2017, arXiv:1708.07120; torch OneCycleLR). Shapes: cos, linear.
struct OneCycle {
  double max_lr = 1.0;
  int64_t total_steps = 0;
  double pct_start = 0.3, div_factor = 25.0, final_div_factor = 1e4;
  double base_momentum = 0.85, max_momentum = 0.95;
  bool three_phase = false;
  std::string anneal = "cos";
};
double one_cycle_lr(const OneCycle& s, int64_t step);
/// Momentum cycles inversely.
double one_cycle_momentum(const OneCycle& s, int64_t step);

/// base (1 - min(step, total) / total)^power.
double polynomial(double base, int64_t total, double power, int64_t step);
/// base gamma^floor(step / step_size).
double step_decay(double base, double gamma, int64_t step_size, int64_t step);
/// base gamma^(milestones passed); a milestone given twice counts twice.
double multi_step(double base, double gamma, const std::vector<int64_t>& milestones, int64_t step);
/// base times a factor that goes from start to end over `total` steps.
double linear(double base, double start_factor, double end_factor, int64_t total, int64_t step);
/// base gamma^step.
double exponential(double base, double gamma, int64_t step);
/// Cosine with warm restarts (Loshchilov and Hutter 2017, arXiv:1608.03983): the first cycle has t0 steps, each next one t_mult times more.
double cosine_restarts(double base, double eta_min, int64_t t0, int64_t t_mult, int64_t step);

}  // namespace eosin::optim
