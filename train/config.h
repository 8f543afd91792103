#pragma once
#include "core/base/config.h"

#include <cstdint>
#include <optional>
#include <string>

namespace eosin::train {

/// The `train` block: how long, how much at once, how careful. Lengths are in steps or samples, never in epochs.
struct TrainConfig {
  std::optional<int64_t> steps, samples;
  int64_t batch_size = 64;
  int64_t accumulate = 1;
  std::string precision = "fp32";
  double clip_grad = 3.0;
  std::string clip_mode = "per_parameter";
  int64_t freeze_last_layer_steps = 0;
  std::string on_nan = "skip";
  int64_t max_nonfinite = 5, max_rollbacks = 3;
  int64_t log_every = 10;
  int64_t checkpoint_every = 500;
  int64_t keep = 3;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;

  /// Optimizer steps of the whole run: `steps`, or enough for `samples`; 1000 when neither is given.
  int64_t total_steps() const;
  /// Samples that one rank draws in one micro-step.
  /// Errors   Config naming the nearest batch sizes that the ranks and micro-steps divide.
  int64_t micro_batch(int world) const;
};

}  // namespace eosin::train
