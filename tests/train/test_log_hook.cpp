#include "train/log_hook.h"

#include "tests/train/toy.h"
#include "train/probe_hook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::train {
namespace {

using nlohmann::ordered_json;

std::vector<ordered_json> rows_of(const TrainConfig& config, std::shared_ptr<Hook> probe, int64_t samples_per_epoch) {
  std::vector<ordered_json> rows;
  toy::Run run(config);
  if (probe) run.trainer.add(probe);
  LogSinks sinks;
  sinks.row = [&](const ordered_json& row) { rows.push_back(row); };
  const auto log = std::make_shared<LogHook>(sinks, config.batch_size, samples_per_epoch, [&] { return run.task.data_wait_seconds(); });
  run.trainer.add(log);
  run.trainer.run();
  EXPECT_GT(log->images_per_second(), 0.0);
  EXPECT_EQ(log->last_loss(), rows.back()["loss"].get<double>());
  return rows;
}

std::vector<std::string> keys(const ordered_json& row) {
  std::vector<std::string> names;
  for (const auto& [key, value] : row.items()) names.push_back(key);
  return names;
}

TEST(LogHook, WritesARowAtTheFirstStepEveryFewAndTheLast) {
  TrainConfig config = toy::config(7);
  config.log_every = 3;
  const auto rows = rows_of(config, nullptr, 24);
  std::vector<int64_t> steps;
  for (const auto& row : rows) steps.push_back(row["step"]);
  EXPECT_THAT(steps, testing::ElementsAre(1, 3, 6, 7));
  EXPECT_THAT(keys(rows[1]), testing::ElementsAre("step", "epoch", "samples", "loss", "parts", "lr", "weight_decay", "momentum", "grad_norm",
                                                  "grad_norms", "skipped", "images_per_second", "data_wait_fraction", "time"));
  EXPECT_EQ(rows[1]["samples"], 36);
  EXPECT_DOUBLE_EQ(rows[1]["epoch"].get<double>(), 1.5);
  EXPECT_THAT(keys(rows[1]["parts"]), testing::ElementsAre("error"));
}

TEST(LogHook, AProbesNumbersJoinTheRowOfTheirStep) {
  TrainConfig config = toy::config(7);
  config.log_every = 3;
  int calls = 0;
  const auto alone = make_single_comm();
  const auto probe = std::make_shared<ProbeHook>(
      5,
      [&]() -> NamedValues {
        return {{"knn_accuracy", 0.1 * ++calls}};
      },
      *alone);
  const auto rows = rows_of(config, probe, 0);
  EXPECT_EQ(calls, 2);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(rows[2]["step"], 5);
  EXPECT_DOUBLE_EQ(rows[2]["eval"]["knn_accuracy"].get<double>(), 0.1);
  EXPECT_FALSE(rows[2].contains("epoch"));
  EXPECT_FALSE(rows[3].contains("eval"));
  EXPECT_DOUBLE_EQ(rows[4]["eval"]["knn_accuracy"].get<double>(), 0.2);
}

}  // namespace
}  // namespace eosin::train
