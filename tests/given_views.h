#pragma once
// A method on views that a test gives, for the product's own trainer.
#include "data/batch.h"
#include "train/objective.h"
#include "train/trainer.h"

#include <functional>
#include <vector>

namespace eosin {

class GivenViews final : public train::Task {
 public:
  using Objective = train::Objective<data::ViewBatch>;
  /// `batch(step)` holds the crops of a step, global ones first.
  GivenViews(Objective& method, std::function<data::ViewBatch(int64_t step)> batch) : method_(method), batch_of_(std::move(batch)) {}
  void load(const train::Progress& progress) override { batch_ = batch_of_(progress.step); }
  train::Loss loss(const train::Progress& progress) override { return method_.forward(batch_, progress); }
  void after_update(const train::Progress& progress) override { method_.after_update(progress); }
  std::vector<train::ParamGroup> param_groups() override { return method_.param_groups(); }
  std::vector<train::MovingAverage> averages() override { return method_.averages(); }
  double momentum(const train::Progress& progress) const override { return method_.momentum(progress); }
  train::NamedValues schedule_values(const train::Progress& progress) const override { return method_.schedule_values(progress); }
  State state() override { return method_.state(); }
  void load_state(const State& state) override { method_.load_state(state); }
  void load_objective(const State& state) override { method_.load_state(state); }
  double data_wait_seconds() const override { return 0; }
  std::string describe_batch() const override { return "given views"; }

 private:
  Objective& method_;
  std::function<data::ViewBatch(int64_t)> batch_of_;
  data::ViewBatch batch_;
};

/// The loss of every step.
struct StepLosses final : train::Hook {
  std::vector<double> values;
  void after(train::StepReport& report) override { values.push_back(report.loss); }
};

}  // namespace eosin
