#pragma once
// The one loop: self-supervised, multiple-instance, vision-language and supervised runs go through it, and it knows none of them.
#include "core/tensor/comm.h"
#include "optim/optimizer.h"
#include "optim/schedules.h"
#include "train/config.h"
#include "train/finite_trace.h"
#include "train/gradient_sync.h"
#include "train/hook.h"
#include "train/task.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace eosin::train {

/// What the loop drives. All outlive the trainer.
struct TrainerParts {
  Task& task;
  optim::Optimizer& optimizer;
  Comm& comm;
  optim::Schedule lr, weight_decay;
  std::function<std::optional<State>()> last_checkpoint = {};  // the same on every rank; none: there is nothing to go back to
};

enum class Outcome { kFinished, kStopped };

/// Runs the steps of a task to the end or to a stop that every rank agrees on.
///
/// Exactness  a run that was stopped or killed and goes on from any checkpoint ends with the same bits as one that was not.
/// NaN        a step whose loss or gradient is not finite on any rank is skipped on all: counted and logged with the ids of its samples and the
///            first value that is not finite, and moves no parameter. What happens after several in a row is config.on_nan.
/// Roll back  parameters, moments and schedules are those of the last checkpoint, data, samples and what hooks keep go on.
/// Errors     Numeric when config.on_nan or a hook ends the run, or there is no checkpoint or no roll-back left.
/// Checked    tests/train/test_trainer.cpp, test_ranks.cpp, test_kill.cpp.
class Trainer {
 public:
  Trainer(TrainConfig config, TrainerParts parts);

  void add(std::shared_ptr<Hook> hook) { hooks_.push_back(std::move(hook)); }
  Outcome run();
  /// The steps before `step`, without hooks: to stand where a run stood.
  void run_until(int64_t step);
  /// The passes of the next step without its update: what every module makes of it, this rank's gradients, and the loss over all ranks.
  struct Examined {
    FiniteTrace trace;
    double loss = 0.0;
  };
  Examined examine();

  const Progress& progress() const { return progress_; }
  /// Multiplies the schedule's learning rate from the next step on.
  void scale_lr(double factor) { lr_factor_ *= factor; }
  /// What a hook keeps from process to process, by a name of its own.
  nlohmann::json& memory(const std::string& hook) { return memory_[hook]; }

  /// Task, optimizer and counters: all that a run needs to go on.
  State state();
  /// Errors   those of the task and the optimizer.
  void load_state(const State& state);

 private:
  struct Sums;     // of one step's micro-steps, on the device
  struct Norms;    // of the gradients before clipping
  struct Verdict;  // what all ranks agree on after the backward passes

  StepReport step();
  /// `trace`, where given, watches the forward passes.
  Sums accumulate_gradients(FiniteTrace* trace = nullptr);
  Loss forward();
  void warn_of_batch_losses() const;
  Norms clip_gradients();
  Verdict agree(const Sums& sums, const Norms& norms);
  void skip(const Verdict& verdict, const Sums& sums, StepReport& report);
  std::string find_fault();
  void roll_back(const std::string& reason);
  bool log_step(int64_t step) const;

  TrainConfig config_;
  TrainerParts parts_;
  GradientSync sync_;
  std::vector<std::shared_ptr<Hook>> hooks_;
  Progress progress_;
  int64_t skipped_ = 0, nonfinite_in_a_row_ = 0, rollbacks_ = 0;
  double lr_factor_ = 1.0;
  nlohmann::json memory_ = nlohmann::json::object();
};

}  // namespace eosin::train
