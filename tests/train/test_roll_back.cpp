#include "core/base/error.h"
#include "core/base/stop.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"
#include "tests/thread_ranks.h"
#include "tests/train/toy.h"
#include "train/checkpoint_hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::train {
namespace {

using testing::HasSubstr;

struct Recorder final : Hook {
  std::vector<StepReport> reports;
  std::vector<int64_t> rolled_to;
  void after(StepReport& report) override { reports.push_back(report); }
  void rolled_back(const Progress& progress, int64_t) override { rolled_to.push_back(progress.step); }
};

struct RollBackTest : testing::Test {
  void SetUp() override { stop::reset(); }

  TrainConfig config(const std::string& on_nan) const {
    TrainConfig c = toy::config(8);
    c.on_nan = on_nan, c.max_nonfinite = 2, c.checkpoint_every = 3;
    return c;
  }
  /// A toy run with checkpoints.
  struct Kept : toy::Run {
    Kept(const TrainConfig& c, const std::string& folder, std::shared_ptr<Comm> ranks = make_single_comm())
        : Run(c, std::move(ranks), [folder, this]() -> std::optional<State> {
            const auto found = newest_checkpoint(folder, *comm);
            return found ? std::optional(found->state) : std::nullopt;
          }) {
      trainer.add(recorder);
      trainer.add(std::make_shared<CheckpointHook>(
          CheckpointHook::Plan{folder, c.checkpoint_every, 0}, [this] { return trainer.state(); }, *comm));
    }
    std::shared_ptr<Recorder> recorder = std::make_shared<Recorder>();
  };
  const TemporaryFolder folder;
};

TEST_F(RollBackTest, AbortEndsAtTheFirst) {
  Kept run(config("abort"), folder / "run");
  run.net->poisoned_steps = {4};
  EXPECT_THAT(message_of([&] { run.trainer.run(); }, ErrorKind::Numeric), testing::AllOf(HasSubstr("step 5"), HasSubstr("train.on_nan")));
  EXPECT_EQ(run.recorder->reports.size(), 5u);  // hooks saw the step that ended it
  EXPECT_EQ(checkpoint_steps(folder / "run"), std::vector<int64_t>{3});
}

TEST_F(RollBackTest, GoesBackAndOnWithOtherTiles) {
  Kept run(config("rollback"), folder / "run");
  run.net->poisoned_samples = {4 * 12, 5 * 12};  // of the fifth and sixth step
  EXPECT_EQ(run.trainer.run(), Outcome::kFinished);
  EXPECT_EQ(run.recorder->rolled_to, std::vector<int64_t>{3});
  ASSERT_EQ(run.recorder->reports.size(), 6u + 5u);
  EXPECT_EQ(run.recorder->reports[5].fate, Fate::kRollBack);
  EXPECT_EQ(run.recorder->reports[6].progress.step, 3);
  EXPECT_EQ(run.recorder->reports[6].progress.samples, 6 * 12) << "samples that were taken stay taken";
  EXPECT_EQ(run.trainer.progress().samples, 11 * 12);

  // Parameters, moments and schedules: three steps on the first tiles, then five on those from the seventh step's.
  toy::Run expected(config("skip"));
  expected.trainer.run_until(3);
  State skipped = toy::frozen(expected.trainer.state());
  skipped.values["task"]["data"]["cursor"] = 6;
  expected.trainer.load_state(skipped);
  expected.trainer.run_until(8);
  for (const auto& [name, tensor] : expected.net->state().tensors) EXPECT_TRUE(tensor.equal(run.net->state().tensors.at(name))) << name;
}

TEST_F(RollBackTest, AStopAfterwardsResumesOnTheSameTiles) {
  const auto poisoned = [&](const std::string& where) {
    auto run = std::make_unique<Kept>(config("rollback"), where);
    run->net->poisoned_samples = {4 * 12, 5 * 12};
    return run;
  };
  const auto whole = poisoned(folder / "whole");
  whole->trainer.run();

  struct StopAt final : Hook {
    int64_t steps = 0;
    void after(StepReport&) override { steps += 1; }
    void before(const Progress&) override {
      if (steps == 7) stop::request();
    }
  };
  const auto first = poisoned(folder / "halves");
  first->trainer.add(std::make_shared<StopAt>());
  EXPECT_EQ(first->trainer.run(), Outcome::kStopped);
  stop::reset();
  const auto second = poisoned(folder / "halves");
  second->trainer.load_state(load_latest(folder / "halves")->state);
  EXPECT_EQ(second->trainer.run(), Outcome::kFinished);
  const State a = whole->trainer.state(), b = second->trainer.state();
  EXPECT_EQ(a.values, b.values);
  for (const auto& [name, tensor] : a.tensors) EXPECT_TRUE(tensor.equal(b.tensors.at(name))) << name;
}

TEST_F(RollBackTest, EndsWithoutACheckpointOrWithoutATurnLeft) {
  Kept early(config("rollback"), folder / "early");
  early.net->poisoned_steps = {1, 2};
  EXPECT_THAT(message_of([&] { early.trainer.run(); }, ErrorKind::Numeric), HasSubstr("no checkpoint yet"));

  TrainConfig twice = config("rollback");
  twice.max_rollbacks = 2;
  Kept stuck(twice, folder / "stuck");
  stuck.net->poisoned_steps = {4, 5};  // whatever the tiles
  EXPECT_THAT(message_of([&] { stuck.trainer.run(); }, ErrorKind::Numeric), HasSubstr("went back to a checkpoint 2 times already"));
}

TEST_F(RollBackTest, TwoRanksAgree) {
  std::vector<std::vector<int64_t>> rolled(2);
  std::vector<TensorMap> states(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    Kept run(config("rollback"), folder / "run", comm);
    if (comm->rank() == 1) run.net->poisoned_samples = {4 * 12 + 6, 5 * 12 + 6};  // this rank's half alone
    EXPECT_EQ(run.trainer.run(), Outcome::kFinished);
    const auto k = static_cast<size_t>(comm->rank());
    rolled[k] = run.recorder->rolled_to, states[k] = toy::frozen(run.net->state()).tensors;
    const std::string& fault = run.recorder->reports[4].fault;
    EXPECT_THAT(fault, HasSubstr(comm->rank() == 1 ? "aten::mul" : "gradient"));
  });
  for (const auto& steps : rolled) EXPECT_EQ(steps, std::vector<int64_t>{3});
  for (const auto& [name, tensor] : states[0]) EXPECT_TRUE(tensor.equal(states[1].at(name))) << name;
}

TEST_F(RollBackTest, KeepsTheBestCheckpointAlone) {
  struct Measure final : Hook {
    std::vector<double> values = {0.5, 0.7, 0.6, 0.7, 0.9, NAN, 0.2, 0.1};
    void after(StepReport& report) override { report.measures = {{"knn_accuracy", values[static_cast<size_t>(report.progress.step)]}}; }
  };
  toy::Run run(config("skip"));
  run.trainer.add(std::make_shared<Measure>());
  std::vector<std::vector<int64_t>> kept;
  run.trainer.add(std::make_shared<BestCheckpointHook>(folder / "run", "knn_accuracy", run.trainer, *run.comm));
  struct Look final : Hook {
    std::function<void()> look;
    void after(StepReport&) override { look(); }
  };
  const auto look = std::make_shared<Look>();
  look->look = [&] { kept.push_back(checkpoint_steps(folder / "run")); };
  run.trainer.add(look);
  run.trainer.run();
  EXPECT_EQ(kept, (std::vector<std::vector<int64_t>>{{1}, {2}, {2}, {2}, {5}, {5}, {5}, {5}}));
  EXPECT_EQ(run.trainer.memory("best")["step"], 5);
}

}  // namespace
}  // namespace eosin::train
