#pragma once
#include "train/hook.h"
#include "train/tensorboard.h"

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

namespace eosin::train {

/// Where a run's numbers go; what is absent is left out.
struct LogSinks {
  std::function<void(const nlohmann::ordered_json&)> row;  // a line of metrics.jsonl
  std::shared_ptr<EventWriter> events;                     // the same scalars for TensorBoard
  std::function<void(const StepReport&)> progress;         // every step: the live line
  std::function<void(int64_t step)> rolled_back;           // rows beyond that step are void
};

/// Writes a row at every log step and at every step that a probe measured:
/// step, epoch, samples, loss, parts, lr, weight_decay, the objective's schedules, grad_norm, grad_norms (per module), skipped, images_per_second,
/// data_wait_fraction, time, and eval (the probes' numbers).
class LogHook final : public Hook {
 public:
  /// `samples_per_epoch` 0: unknown, no epoch is written. `waited` gives the seconds that the loop has waited for data since its start.
  LogHook(LogSinks sinks, int64_t batch_size, int64_t samples_per_epoch, std::function<double()> waited);

  void start(const Progress& progress) override;
  void after(StepReport& report) override;
  void rolled_back(const Progress& progress, int64_t steps) override;

  /// Of the steps that this process did.
  double images_per_second() const;
  double last_loss() const { return last_loss_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Mark {
    Clock::time_point time;
    int64_t step = 0;
    double waited = 0.0;
  };
  nlohmann::ordered_json row_of(const StepReport& report, const Mark& now) const;
  double rate(const Mark& from, const Mark& to) const;
  void to_events(const StepReport& report, const nlohmann::ordered_json& row);

  LogSinks sinks_;
  int64_t batch_size_, samples_per_epoch_;
  std::function<double()> waited_;
  Mark begin_, previous_, newest_;
  double last_loss_ = 0.0;
};

}  // namespace eosin::train
