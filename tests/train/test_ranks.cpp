#include "core/tensor/checkpoint.h"
#include "core/tensor/safetensors.h"
#include "tests/train/child.h"

#include <ATen/ATen.h>

namespace eosin::train {
namespace {

struct RanksTest : FolderTest {
  std::vector<Child> start(const std::string& name, std::vector<std::string> keys) const {
    keys.insert(keys.end(), {dir(name), "world=2", "port=" + std::to_string(free_port())});
    std::vector<Child> ranks;
    for (const char* rank : {"rank=0", "rank=1"}) {
      keys.emplace_back(rank);
      ranks.emplace_back(keys);
      keys.pop_back();
    }
    return ranks;
  }
  TensorMap result(const std::string& name) const { return read_safetensors(folder + "/" + name + "/final.safetensors").tensors; }
};

TEST_F(RanksTest, TwoProcessesEqualOneWithTheConcatenatedBatch) {
  const std::vector<std::string> keys = {"train.steps=5", "train.accumulate=2", "train.clip_mode=global", "train.clip_grad=0.5"};
  auto one = keys;
  one.push_back(dir("one"));
  ASSERT_EQ(Child(one).wait(), 0);
  for (auto& rank : start("two", keys)) EXPECT_EQ(rank.wait(), 0);
  const TensorMap a = result("one"), b = result("two");
  for (const auto& [name, tensor] : a) EXPECT_LT((tensor - b.at(name)).abs().max().item<double>(), 1e-5) << name;
}

TEST_F(RanksTest, ASignalToOneStopsAllAtTheSameStepAndTheyGoOn) {
  const std::vector<std::string> keys = {"train.steps=30", "train.checkpoint_every=1"};
  for (auto& rank : start("whole", keys)) ASSERT_EQ(rank.wait(), 0);

  auto slow = keys;
  slow.emplace_back("pause_ms=20");
  auto ranks = start("stopped", slow);
  while (ranks[0].running() && checkpoint_steps(folder + "/stopped/checkpoints").empty()) sleep_ms(5);
  ranks[1].signal(SIGTERM);
  EXPECT_EQ(ranks[0].wait(), 75);
  EXPECT_EQ(ranks[1].wait(), 75);
  EXPECT_LT(checkpoint_steps(folder + "/stopped/checkpoints").back(), 30);

  for (auto& rank : start("stopped", keys)) ASSERT_EQ(rank.wait(), 0);
  const TensorMap a = result("whole"), b = result("stopped");
  for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
}

}  // namespace
}  // namespace eosin::train
