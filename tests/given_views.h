#pragma once
// DINO on views that a test gives, for the product's own trainer.
#include "ssl/dino.h"
#include "train/trainer.h"

#include <functional>
#include <vector>

namespace eosin {

class GivenViews final : public train::Task {
 public:
  /// `views(step)` are the crops of a step, global ones first.
  GivenViews(ssl::Dino& dino, std::function<std::vector<Tensor>(int64_t step)> views) : dino_(dino), views_(std::move(views)) {}
  void load(const train::Progress& progress) override { batch_.views_BCHW = views_(progress.step); }
  train::Loss loss(const train::Progress& progress) override { return dino_.forward(batch_, progress); }
  void after_update(const train::Progress& progress) override { dino_.after_update(progress); }
  std::vector<train::ParamGroup> param_groups() override { return dino_.param_groups(); }
  train::NamedValues schedule_values(const train::Progress& progress) const override { return dino_.schedule_values(progress); }
  State state() override { return dino_.state(); }
  void load_state(const State& state) override { dino_.load_state(state); }
  double data_wait_seconds() const override { return 0; }
  std::string describe_batch() const override { return "given views"; }

 private:
  ssl::Dino& dino_;
  std::function<std::vector<Tensor>(int64_t)> views_;
  data::ViewBatch batch_;
};

/// The loss of every step.
struct StepLosses final : train::Hook {
  std::vector<double> values;
  void after(train::StepReport& report) override { values.push_back(report.loss); }
};

}  // namespace eosin
