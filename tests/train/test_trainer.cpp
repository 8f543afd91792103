#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "tests/message_of.h"
#include "tests/train/toy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace eosin::train {
namespace {

void expect_equal(const State& a, const State& b) {
  EXPECT_EQ(a.values, b.values);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) EXPECT_TRUE(at::equal(tensor, b.tensors.at(name))) << name;
}

void expect_close(const State& a, const State& b, double tolerance) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) EXPECT_TRUE(at::allclose(tensor, b.tensors.at(name), tolerance, tolerance)) << name;
}

struct Recorder final : Hook {
  std::vector<StepReport> reports;
  void after(StepReport& report) override { reports.push_back(report); }
};

/// Asks for a stop before the step that has `done` steps behind it.
struct StopAt final : Hook {
  explicit StopAt(int64_t done) : done_(done) {}
  void before(const Progress& progress) override {
    if (progress.step == done_) stop::request();
  }
  int64_t done_;
};

struct TrainerTest : testing::Test {
  void SetUp() override { stop::reset(); }
  void TearDown() override { stop::reset(); }
};

TEST_F(TrainerTest, StopsAfterTheStepAndResumesBitForBit) {
  for (const char* mode : {"per_parameter", "per_module", "global"}) {
    TrainConfig config = toy::config(7);
    config.accumulate = 3, config.clip_mode = mode, config.clip_grad = 0.1, config.freeze_last_layer_steps = 2;
    toy::Run whole(config);
    EXPECT_EQ(whole.trainer.run(), Outcome::kFinished);

    toy::Run first(config);
    first.trainer.add(std::make_shared<StopAt>(3));
    EXPECT_EQ(first.trainer.run(), Outcome::kStopped);
    EXPECT_EQ(first.trainer.progress().step, 4);
    const State saved = toy::frozen(first.trainer.state());
    stop::reset();

    toy::Run second(config);
    second.trainer.load_state(saved);
    EXPECT_EQ(second.trainer.run(), Outcome::kFinished);
    expect_equal(second.trainer.state(), whole.trainer.state());
  }
}

TEST_F(TrainerTest, AccumulationEqualsTheFullBatch) {
  const auto at_once = std::make_shared<Recorder>(), in_parts = std::make_shared<Recorder>();
  toy::Run full(toy::config(6));
  full.trainer.add(at_once);
  full.trainer.run();
  TrainConfig config = toy::config(6);
  config.accumulate = 4;
  toy::Run accumulated(config);
  accumulated.trainer.add(in_parts);
  accumulated.trainer.run();
  expect_close(accumulated.net->state(), full.net->state(), 1e-6);
  const StepReport &want = at_once->reports.at(0), &got = in_parts->reports.at(0);
  EXPECT_NEAR(got.loss, want.loss, 1e-6);
  ASSERT_EQ(got.parts.size(), 1u);
  EXPECT_NEAR(got.parts[0].second, want.parts.at(0).second, 1e-6);
}

TEST_F(TrainerTest, LearnsAndReportsTheSchedules) {
  toy::Run run(toy::config(40));
  const auto recorder = std::make_shared<Recorder>();
  run.trainer.add(recorder);
  run.trainer.run();
  ASSERT_EQ(recorder->reports.size(), 40u);
  const StepReport &first = recorder->reports.front(), &last = recorder->reports.back();
  EXPECT_LT(last.loss, first.loss);
  EXPECT_DOUBLE_EQ(recorder->reports[3].lr, 0.005);
  EXPECT_EQ(last.progress.samples, 39 * 12);
  EXPECT_TRUE(last.last());
  EXPECT_THAT(first.parts, testing::ElementsAre(testing::Key("error")));
  EXPECT_THAT(first.schedules, testing::ElementsAre(testing::Pair("momentum", 0.9)));
  EXPECT_TRUE(recorder->reports[2].parts.empty());
}

TEST_F(TrainerTest, AStepThatIsNotFiniteMovesNothing) {
  toy::Run run(toy::config(3));
  run.net->poisoned_steps = {1};
  const auto recorder = std::make_shared<Recorder>();
  run.trainer.add(recorder);
  struct Snapshot final : Hook {
    toy::Run& run;
    State before_poison, after_poison;
    explicit Snapshot(toy::Run& r) : run(r) {}
    void after(StepReport& report) override {
      if (report.done() == 1) before_poison = toy::frozen(run.trainer.state());
      if (report.done() == 2) after_poison = toy::frozen(run.trainer.state());
    }
  };
  const auto snapshot = std::make_shared<Snapshot>(run);
  run.trainer.add(snapshot);
  run.trainer.run();
  EXPECT_FALSE(recorder->reports[1].finite);
  EXPECT_EQ(recorder->reports[2].skipped, 1);
  for (const auto& [name, tensor] : snapshot->before_poison.tensors) EXPECT_TRUE(at::equal(tensor, snapshot->after_poison.tensors.at(name))) << name;
  EXPECT_EQ(snapshot->before_poison.values["optim"], snapshot->after_poison.values["optim"]);
}

TEST_F(TrainerTest, TooManyInARowEndTheRunWithANumericError) {
  TrainConfig config = toy::config(20);
  config.max_nonfinite = 3;
  toy::Run run(config);
  run.net->poisoned_steps = {2, 3, 5, 6, 7};
  const std::string message = message_of([&] { run.trainer.run(); }, ErrorKind::Numeric);
  EXPECT_THAT(message, testing::HasSubstr("step 8"));
  EXPECT_THAT(message, testing::HasSubstr("3 steps in a row"));
}

/// A rule that moves nothing and keeps what it is given.
struct Spy final : optim::Optimizer {
  explicit Spy(std::vector<optim::ParamGroup> groups) : Optimizer("spy", std::move(groups)) {}
  void step(const optim::Rates& r) override {
    rates.push_back(r);
    for (const auto& group : groups())
      for (size_t i = 0; i < group.names.size(); ++i) grads[group.names[i]] = group.params[i].grad().clone();
  }
  double norm(const std::string& prefix) const {
    double sum = 0.0;
    for (const auto& [name, grad] : grads)
      if (name.starts_with(prefix)) sum += grad.square().sum().item<double>();
    return std::sqrt(sum);
  }
  std::vector<optim::Rates> rates;
  TensorMap grads;
};

std::unique_ptr<Spy> one_step(const std::string& mode, double bound) {
  TrainConfig config = toy::config(1);
  config.clip_mode = mode, config.clip_grad = bound;
  toy::Run run(config);
  auto spy = std::make_unique<Spy>(run.task.param_groups());
  const auto constant = [](int64_t) { return 0.1; };
  Trainer(config, {run.task, *spy, *run.comm, constant, constant}).run();
  return spy;
}

TEST_F(TrainerTest, ClipsWhatTheModeNames) {
  const double bound = 0.01;
  ASSERT_GT(one_step("global", 0.0)->norm("body.bias"), bound);
  EXPECT_NEAR(one_step("global", bound)->norm(""), bound, 1e-5);
  const auto modules = one_step("per_module", bound), each = one_step("per_parameter", bound);
  EXPECT_NEAR(modules->norm("body."), bound, 1e-5);
  EXPECT_NEAR(modules->norm("last_layer."), bound, 1e-5);
  for (const char* name : {"body.weight", "body.bias", "last_layer.weight", "last_layer.bias"}) EXPECT_NEAR(each->norm(name), bound, 1e-5) << name;
}

TEST_F(TrainerTest, ReportsTheNormOfEachModuleBeforeClipping) {
  for (const char* mode : {"per_parameter", "per_module", "global"})
    for (const double bound : {0.0, 0.01}) {
      TrainConfig config = toy::config(3);
      config.clip_mode = mode, config.clip_grad = bound, config.log_every = 3;
      toy::Run run(config);
      const auto seen = std::make_shared<Recorder>();
      run.trainer.add(seen);
      run.trainer.run();
      const NamedValues& norms = seen->reports.at(0).grad_norms;
      ASSERT_EQ(norms.size(), 2u) << mode;
      EXPECT_EQ(norms[0].first, "body");
      EXPECT_EQ(norms[1].first, "head");
      EXPECT_GT(norms[1].second, 0.0);
      EXPECT_NEAR(std::hypot(norms[0].second, norms[1].second), seen->reports[0].grad_norm, 1e-6) << mode;
      EXPECT_TRUE(seen->reports.at(1).grad_norms.empty()) << "no log step";
    }
}

TEST_F(TrainerTest, SaysWhichLossesMicroStepsChange) {
  const std::string file = (std::filesystem::temp_directory_path() / ("eosin-trainer-log-" + std::to_string(::getpid()))).string();
  for (const int64_t accumulate : {1, 3}) {
    TrainConfig config = toy::config(2);
    config.accumulate = accumulate;
    toy::Run run(config);
    run.net->whole_batch_losses = {"koleo", "sinkhorn_knopp"};
    log::set_file(file);
    run.trainer.run();
    log::set_file("");
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    std::filesystem::remove(file);
    const std::string said = "train.accumulate=3: koleo, sinkhorn_knopp see 4 samples at a time, not the 12 of a step";
    EXPECT_EQ(text.str().find(said) != std::string::npos, accumulate == 3) << text.str();
  }
}

TEST_F(TrainerTest, TheLastLayerIsLeftOutAtFirst) {
  TrainConfig config = toy::config(3);
  config.freeze_last_layer_steps = 2;
  toy::Run run(config);
  const Tensor before = run.net->state().tensors.at("last_layer.weight").clone();
  struct Check final : Hook {
    toy::Run& run;
    Tensor before;
    Check(toy::Run& r, Tensor b) : run(r), before(std::move(b)) {}
    void after(StepReport& report) override {
      EXPECT_EQ(at::equal(run.net->state().tensors.at("last_layer.weight"), before), report.done() <= 2) << report.done();
    }
  };
  run.trainer.add(std::make_shared<Check>(run, before));
  run.trainer.run();
}

TEST_F(TrainerTest, MixedPrecisionReachesTheForwardPassAndKeepsFloatWeights) {
  TrainConfig config = toy::config(4);
  config.precision = "bf16";
  toy::Run run(config), full(toy::config(4));
  run.trainer.run();
  full.trainer.run();
  EXPECT_EQ(run.net->hidden_type, at::kBFloat16);
  EXPECT_EQ(full.net->hidden_type, at::kFloat);
  for (const auto& [name, tensor] : run.net->state().tensors) EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
  expect_close(run.net->state(), full.net->state(), 0.05);
}

}  // namespace
}  // namespace eosin::train
