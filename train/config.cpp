#include "train/config.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::train {
namespace {

constexpr double kMany = 1e12;

/// "60 or 64": the multiples of `unit` around `value`.
std::string nearest_multiples(int64_t value, int64_t unit) {
  const int64_t below = value / unit * unit;
  if (below == 0) return std::to_string(unit);
  return fmt::format("{} or {}", below, below + unit);
}

}  // namespace

void TrainConfig::visit(config::Visitor& v) {
  using config::Range;
  v("steps", steps, "optimizer steps of the run (1000 when neither steps nor samples is given)", Range{1, kMany});
  v("samples", samples, "length of the run in samples instead of steps", Range{1, kMany});
  v("batch_size", batch_size, "samples of one step, over all ranks and micro-steps", Range{1, 1e7});
  v("accumulate", accumulate, "micro-steps whose gradients are averaged into one step", Range{1, 1e5});
  v("precision", precision, "fp32, or bf16: autocast with float32 weights", config::OneOf{{"fp32", "bf16"}});
  v("clip_grad", clip_grad, "largest gradient norm; 0 = no clipping", Range{0, 1e9});
  v("clip_mode", clip_mode, "what shares a norm: each parameter, each module (backbone, head), or all",
    config::OneOf{{"per_parameter", "per_module", "global"}});
  v("freeze_last_layer_steps", freeze_last_layer_steps, "leading steps in which the head's last layer is left out", Range{0, kMany});
  v("on_nan", on_nan,
    "a step whose loss or gradient is not finite: skip it; rollback: skip, and after max_nonfinite of them in a row go back to the last checkpoint "
    "and on with other tiles; abort: end the run at once",
    config::OneOf{{"skip", "rollback", "abort"}});
  v("max_nonfinite", max_nonfinite, "so many such steps in a row end the run, or with on_nan=rollback take it back", Range{1, 1e6});
  v("max_rollbacks", max_rollbacks, "times that a run may go back to its last checkpoint before it ends", Range{0, 1e6});
  v("log_every", log_every, "steps between two rows of metrics.jsonl", Range{1, kMany});
  v("checkpoint_every", checkpoint_every, "steps between two checkpoints; one is always written at the end and at a stop", Range{1, kMany});
  v("keep", keep, "newest checkpoints that stay; 0 = all", Range{0, 1e6});
}

void TrainConfig::validate(config::Problems& p) const {
  if (steps && samples) p.add("samples", "steps and samples are both given; keep one");
  if (batch_size % accumulate != 0)
    p.add("batch_size", fmt::format("{} is not divisible by accumulate (got {}); the nearest valid values are {}", batch_size, accumulate,
                                    nearest_multiples(batch_size, accumulate)));
}

int64_t TrainConfig::total_steps() const {
  if (samples) return (*samples + batch_size - 1) / batch_size;
  return steps.value_or(1000);
}

int64_t TrainConfig::micro_batch(int world) const {
  const int64_t unit = world * accumulate;
  EOSIN_CHECK(batch_size % unit == 0, Config, "[train.batch_size] {} is not divisible by {} ranks x {} micro-steps; the nearest valid values are {}",
              batch_size, world, accumulate, nearest_multiples(batch_size, unit));
  return batch_size / unit;
}

}  // namespace eosin::train
