#include "core/base/atomic_file.h"
#include "core/base/rng.h"
#include "core/tensor/checkpoint.h"
#include "core/tensor/safetensors.h"
#include "tests/train/child.h"

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace eosin::train {
namespace {

/// The rows without what depends on the clock.
std::vector<std::string> rows_of(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<std::string> rows;
  for (std::string line; std::getline(lines, line);) {
    auto row = nlohmann::ordered_json::parse(line);
    for (const char* key : {"time", "images_per_second", "data_wait_fraction"}) row.erase(key);
    rows.push_back(row.dump());
  }
  return rows;
}

void expect_same_run(const std::string& a, const std::string& b) {
  const TensorMap x = read_safetensors(a + "/final.safetensors").tensors, y = read_safetensors(b + "/final.safetensors").tensors;
  ASSERT_EQ(x.size(), y.size());
  for (const auto& [name, tensor] : x) EXPECT_TRUE(at::equal(tensor, y.at(name))) << name;
  EXPECT_EQ(rows_of(a + "/metrics.jsonl"), rows_of(b + "/metrics.jsonl"));
}

struct KillTest : FolderTest {
  std::vector<std::string> keys(const std::string& name) const {
    return {dir(name), "train.steps=40", "train.accumulate=2", "train.checkpoint_every=1", "train.keep=2", "train.freeze_last_layer_steps=7"};
  }
};

// A checkpoint after every step, so that most kills fall into its writing; some fall before the first step.
TEST_F(KillTest, TwentyKillsAtRandomMomentsEndWithTheSameBits) {
  ASSERT_EQ(Child(keys("whole")).wait(), 0);
  RandomStream random(static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()), 0, 0, RandomOp::kSynthetic);
  int kills = 0;
  for (int run = 0; kills < 20; ++run) {
    const std::string name = "killed" + std::to_string(run);
    std::vector<std::string> slow = keys(name);
    slow.emplace_back("pause_ms=3");
    for (bool finished = false; !finished;) {
      Child child(slow);
      for (int64_t ms = 100 + random.below(400); ms > 0 && child.running(); ms -= 5) sleep_ms(5);
      child.signal(SIGKILL);
      const int code = child.wait();
      ASSERT_TRUE(code == 0 || code == -SIGKILL) << code;
      if (code != 0) ++kills;
      if (code != 0 && kills >= 20) {
        ASSERT_EQ(Child(keys(name)).wait(), 0);
      }
      finished = code == 0 || kills >= 20;
    }
    expect_same_run(folder + "/" + name, folder + "/whole");
  }
}

TEST_F(KillTest, AStopIsACheckpointAndTheSameCommandGoesOn) {
  ASSERT_EQ(Child(keys("whole")).wait(), 0);
  std::vector<std::string> slow = keys("stopped");
  slow.push_back("pause_ms=20");
  Child child(slow);
  while (child.running() && checkpoint_steps(folder + "/stopped/checkpoints").empty()) sleep_ms(5);
  child.signal(SIGTERM);
  ASSERT_EQ(child.wait(), 75);
  ASSERT_EQ(Child(keys("stopped")).wait(), 0);
  expect_same_run(folder + "/stopped", folder + "/whole");
}

}  // namespace
}  // namespace eosin::train
