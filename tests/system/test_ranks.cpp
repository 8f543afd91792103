// Several ranks with the real binary: the parameters of one process, one stop for all, one resume.
#include "core/tensor/checkpoint.h"
#include "tests/system/program.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::system_test {
namespace {

using Words = std::vector<std::string>;

Words operator+(Words a, const Words& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class Ranks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    ASSERT_EQ(eosin({"demo", *folder_ / "cohort", "slides=2", "--quiet"}).code, 0);
    const Outcome tiled = eosin({"tile", "slides=" + in("cohort/cohort.csv"), "store=" + in("tiles"), "tile.size_px=96", "tile.mpp=1.0", "--quiet"});
    ASSERT_EQ(tiled.code, 0) << tiled.err;
  }
  static void TearDownTestSuite() { delete folder_; }
  static std::string in(const std::string& name) { return *folder_ / name; }

  /// Without drop path, whose draws belong to the samples of one rank.
  static Words pretrain(const std::string& run, int steps) {
    return {"pretrain",
            "data.store=" + in("tiles"),
            "data.crops.n_local=2",
            "model.name=vit_tiny",
            "model.image_size_px=32",
            "model.patch_size=16",
            "model.drop_path_rate=0",
            "method.n_prototypes=64",
            "method.hidden_dim=64",
            "train.batch_size=8",
            "train.log_every=1",
            "train.steps=" + std::to_string(steps),
            "run.dir=" + in(run),
            "--json",
            "--quiet"};
  }
  static State objective(const std::string& run, int step) {
    return load_checkpoint(checkpoint_path(in(run) + "/checkpoints", step)).state.part("task").part("objective");
  }
  static double first_loss(const std::string& run) {
    const std::string rows = read_text(in(run) + "/metrics.jsonl");
    return nlohmann::json::parse(rows.substr(0, rows.find('\n')))["loss"];
  }
  static double distance(const Tensor& x, const Tensor& y) { return (x.to(at::kDouble) - y.to(at::kDouble)).abs().max().item<double>(); }

  static Words launch(const Words& command) { return Words{"launch", "--nproc", "2", "--"} + command; }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Ranks::folder_ = nullptr;

/// Adam divides a gradient by its size: where it is nothing but rounding, which depends on the batch's division, the update would be so too.
/// A larger eps leaves those few parameters in place.
TEST_F(Ranks, TwoTrainTheParametersOfOneProcess) {
  const Words eps = {"optim.eps=1e-4"};
  const Outcome one = eosin(pretrain("one", 5) + eps), two = eosin(launch(pretrain("two", 5) + eps));
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_EQ(two.json()["step"], 5);
  EXPECT_NEAR(two.json()["loss"].get<double>(), one.json()["loss"].get<double>(), 1e-5);

  const State a = objective("one", 5), b = objective("two", 5);
  ASSERT_GT(distance(a.tensors.at("student.head.mlp.0.weight"), a.tensors.at("teacher.head.mlp.0.weight")), 1e-3);  // they did move
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) EXPECT_LT(distance(tensor, b.tensors.at(name)), 1e-6) << name;
}

/// With the same micro-batches and the same threads there is no other rounding: equal to the bit, whatever eps is.
TEST_F(Ranks, TwoEqualOneProcessThatAccumulatesTwoMicroBatchesToTheBit) {
  const Outcome one = eosin(pretrain("accumulated", 5) + Words{"train.accumulate=2", "run.threads=1"});
  const Outcome two = eosin(launch(pretrain("shared", 5) + Words{"run.threads=1"}));
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(two.code, 0) << two.err;
  const State a = objective("accumulated", 5), b = objective("shared", 5);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) EXPECT_TRUE(tensor.equal(b.tensors.at(name))) << name;
}

/// Negatives and batch norms of both ranks: the loss of one process with both batches, through Gloo, forwards and backwards. Untrained features of
/// eight tiles hardly differ, and batch norm divides by that: after the first update losses and running statistics show the rounding of the
/// parameters thirty times larger. In float64 all of it is equal (tests/ssl/test_simclr.cpp).
TEST_F(Ranks, TwoContrastTheTilesOfBoth) {
  const auto simclr = [](const std::string& run) {
    return Words{"pretrain",
                 "data.store=" + in("tiles"),
                 "data.crops.name=simclr",
                 "model.name=vit_tiny",
                 "model.image_size_px=32",
                 "method.name=simclr",
                 "method.hidden_dim=64",
                 "model.drop_path_rate=0",
                 "train.batch_size=8",
                 "train.log_every=1",
                 "train.steps=3",
                 "optim.eps=1e-4",
                 "run.dir=" + in(run),
                 "--json",
                 "--quiet"};
  };
  const Outcome one = eosin(simclr("contrast_one")), two = eosin(launch(simclr("contrast_two")));
  ASSERT_EQ(one.code, 0) << one.err;
  ASSERT_EQ(two.code, 0) << two.err;
  EXPECT_NEAR(first_loss("contrast_two"), first_loss("contrast_one"), 1e-5);
  const State a = objective("contrast_one", 3), b = objective("contrast_two", 3);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors)
    EXPECT_LT(distance(tensor, b.tensors.at(name)), name.find(".running_") == std::string::npos ? 1e-5 : 1e-3) << name;
}

TEST_F(Ranks, StopTogetherAfterACheckpointAndGoOnToTheEnd) {
  constexpr int kSteps = 20;
  Program p(launch(pretrain("stopped", kSteps)));
  while (read_text(in("stopped") + "/metrics.jsonl").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  p.signal(SIGTERM);
  const Outcome stopped = p.wait();
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  const std::vector<int64_t> steps = checkpoint_steps(in("stopped") + "/checkpoints");
  ASSERT_EQ(steps.size(), 1u);
  ASSERT_LT(steps[0], kSteps);
  const std::string at = "stopped after step " + std::to_string(steps[0]) + " ";
  EXPECT_THAT(stopped.err, testing::ContainsRegex("\\[0\\][^\n]*" + at));
  EXPECT_THAT(stopped.err, testing::ContainsRegex("\\[1\\][^\n]*" + at));

  const Outcome resumed = eosin(launch(pretrain("stopped", kSteps)));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(resumed.json()["step"], kSteps);
  int64_t rows = 0;
  std::istringstream lines(read_text(in("stopped") + "/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(nlohmann::json::parse(line)["step"], ++rows);
  EXPECT_EQ(rows, kSteps);
}

}  // namespace
}  // namespace eosin::system_test
