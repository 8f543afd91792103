#pragma once
// Joins a source of batches with an objective into what the loop sees.
#include "core/base/error.h"
#include "data/batch.h"
#include "train/task.h"

#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace eosin::train {

/// Names samples for messages: "slide 3 (512, 0), slide 3 (768, 0), and 14 more".
std::string describe(const std::vector<data::SampleId>& ids);

/// `Batch` has a member `ids` and a function to_device(Batch, device) beside it.
template <class Batch>
class TypedTask final : public Task {
 public:
  TypedTask(std::shared_ptr<data::BatchSource<Batch>> source, std::shared_ptr<Objective<Batch>> objective, c10::Device device)
      : source_(std::move(source)), objective_(std::move(objective)), device_(device) {}

  void load(const Progress&) override {
    batch_.reset();  // gives its memory back before the next one is taken
    batch_ = to_device(source_->next(), device_);
  }
  Loss loss(const Progress& progress) override {
    EOSIN_ASSERT(batch_);
    return objective_->forward(*batch_, progress);
  }
  void after_update(const Progress& progress) override { objective_->after_update(progress); }
  std::vector<ParamGroup> param_groups() override { return objective_->param_groups(); }
  std::vector<MovingAverage> averages() override { return objective_->averages(); }
  double momentum(const Progress& progress) const override { return objective_->momentum(progress); }
  std::vector<std::pair<std::string, double>> schedule_values(const Progress& progress) const override {
    return objective_->schedule_values(progress);
  }
  std::vector<std::string> batch_losses() const override { return objective_->batch_losses(); }
  State state() override {
    State state;
    state.add("objective", objective_->state());
    state.add("data", source_->state());
    return state;
  }
  void load_state(const State& state) override {
    objective_->load_state(state.part("objective"));
    source_->load_state(state.part("data"));
  }
  void load_objective(const State& state) override { objective_->load_state(state.part("objective")); }
  double data_wait_seconds() const override { return source_->wait_seconds(); }
  std::string describe_batch() const override { return batch_ ? describe(batch_->ids) : "no batch"; }

 private:
  std::shared_ptr<data::BatchSource<Batch>> source_;
  std::shared_ptr<Objective<Batch>> objective_;
  c10::Device device_;
  std::optional<Batch> batch_;
};

}  // namespace eosin::train
