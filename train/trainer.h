#pragma once
// The one loop: self-supervised, multiple-instance, vision-language and supervised runs go through it, and it knows none of them.
#include "core/tensor/comm.h"
#include "optim/optimizer.h"
#include "optim/schedules.h"
#include "train/config.h"
#include "train/gradient_sync.h"
#include "train/hook.h"
#include "train/task.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::train {

/// What the loop drives. All outlive the trainer.
struct TrainerParts {
  Task& task;
  optim::Optimizer& optimizer;
  Comm& comm;
  optim::Schedule lr, weight_decay;
};

enum class Outcome { kFinished, kStopped };

/// Runs the steps of a task to the end or to a stop that every rank agrees on.
///
/// Exactness  a run that was stopped or killed and goes on from any checkpoint ends with the same bits as one that was not.
/// Errors     Numeric when the loss was not finite in max_nonfinite steps in a row; a single such step is skipped, counted and logged with
///            the ids of its samples, and moves nothing.
/// Checked    tests/train/test_trainer.cpp, test_ranks.cpp, test_kill.cpp.
class Trainer {
 public:
  Trainer(TrainConfig config, TrainerParts parts);

  void add(std::shared_ptr<Hook> hook) { hooks_.push_back(std::move(hook)); }
  Outcome run();

  const Progress& progress() const { return progress_; }
  /// Task, optimizer and counters: all that a run needs to go on.
  State state();
  /// Errors   those of the task and the optimizer.
  void load_state(const State& state);

 private:
  struct Sums;     // of one step's micro-steps, on the device
  struct Norms;    // of the gradients before clipping
  struct Verdict;  // what all ranks agree on after the backward passes

  StepReport step();
  Sums accumulate_gradients();
  void warn_of_batch_losses() const;
  Norms clip_gradients();
  Verdict agree(const Sums& sums, const Norms& norms);
  void skip(const Verdict& verdict, const Sums& sums);
  bool log_step(int64_t step) const;

  TrainConfig config_;
  TrainerParts parts_;
  GradientSync sync_;
  std::vector<std::shared_ptr<Hook>> hooks_;
  Progress progress_;
  int64_t skipped_ = 0, nonfinite_in_a_row_ = 0;
};

}  // namespace eosin::train
