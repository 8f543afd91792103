#pragma once
// What happens around a step without being part of it: logging, checkpoints, probes.
#include "train/progress.h"

#include <string>
#include <utility>
#include <vector>

namespace eosin::train {

using NamedValues = std::vector<std::pair<std::string, double>>;

/// What is to become of the run after a step: on with it; back to the last checkpoint and on with other tiles; an end with exit code 6.
enum class Fate { kGoOn, kRollBack, kAbort };

/// What one step did, the same on every rank.
struct StepReport {
  Progress progress;  // as the step saw it: progress.step counts the steps before it
  double lr = 0.0, weight_decay = 0.0;
  double loss = 0.0;       // mean over ranks and micro-steps
  double grad_norm = 0.0;  // of all parameters, before clipping
  NamedValues grad_norms;  // of each module (backbone, head); on log steps only
  bool finite = true;      // false: the step was skipped, nothing moved
  int64_t skipped = 0;     // steps skipped since the run began
  bool stopping = false;   // a stop was asked for: this is the last step of this process
  NamedValues parts;       // of the loss, mean over ranks and micro-steps; on log steps only
  NamedValues schedules;   // the objective's own (momentum, temperature); on log steps only
  NamedValues measures;    // added by hooks (probes) for the hooks behind them
  std::string fault;       // of a step that was skipped: the first value that is not finite, as this rank sees it
  Fate fate = Fate::kGoOn;
  std::string reason;  // of its fate

  int64_t done() const { return progress.step + 1; }
  bool last() const { return done() == progress.steps; }
  /// Of several the severest counts.
  void judge(Fate f, std::string why) {
    if (f <= fate) return;
    fate = f, reason = std::move(why);
  }
};

/// Hooks run in the order in which they were added, on every rank.
class Hook {
 public:
  virtual ~Hook() = default;
  /// Before the first step of this process.
  virtual void start(const Progress& progress) {}
  virtual void before(const Progress& progress) {}
  virtual void after(StepReport& report) {}
  /// The run went back to `progress`, `steps` steps before where it was.
  virtual void rolled_back(const Progress& progress, int64_t steps) {}
};

}  // namespace eosin::train
