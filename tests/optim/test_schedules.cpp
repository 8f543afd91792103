#include "optim/schedules.h"

#include "core/base/error.h"
#include "optim/optimizers.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::optim {
namespace {

TEST(ScheduleTable, EveryRowMakesAFiniteSchedule) {
  for (const auto& row : schedule_table()) {
    const config::Choice choice(schedule_table(), row.name);
    const Schedule schedule = make_schedule(choice, 0.5, 19);
    for (int64_t step = 0; step < 21; ++step) {
      EXPECT_TRUE(std::isfinite(schedule(step))) << row.name << " at " << step;
      EXPECT_LE(schedule(step), 0.5) << row.name << " at " << step;
    }
  }
}

/// `schedule: {name: ..., keys}` as a config has it.
config::Choice chosen(const std::string& name, const std::vector<std::string>& keys) {
  config::Source source;
  source.override_with("schedule.name=" + name);
  for (const std::string& key : keys) source.override_with("schedule." + key);
  struct Config {
    config::Choice schedule{schedule_table(), "warmup_cosine"};
    void visit(config::Visitor& v) { v("schedule", schedule, "learning rate"); }
  } config;
  config::read(source, config);
  return config.schedule;
}

TEST(ScheduleTable, KeysReachTheCurve) {
  struct Row {
    std::string name;
    std::vector<std::string> keys;
    std::vector<std::pair<int64_t, double>> values;  // of a run of 20 steps with the peak 0.5
  };
  const std::vector<Row> rows = {
      {"warmup_cosine",
       {"freeze_steps=3", "warmup_steps=5", "start=0.1", "final=0.02"},
       {{0, 0}, {2, 0}, {3, 0.1}, {5, 0.3}, {7, 0.5}, {8, 0.5}, {12, 0.02 + 0.48 * 0.75}, {20, 0.02}}},
      {"warmup_cosine", {"warmup_steps=0", "final=0.02", "inclusive=true"}, {{0, 0.5}, {19, 0.02}}},
      {"linear_warmup_cosine",
       {"warmup_steps=4", "cosine_steps=7", "start=0.1", "end=0.02"},
       {{0, 0.1}, {2, 0.3}, {4, 0.5}, {6, 0.02 + 0.48 * 0.75}, {10, 0.02}, {11, 0.02}}},
      {"wsd",
       {"warmup_steps=4", "decay_steps=5", "min_ratio=0.2", "decay_type=linear"},
       {{0, 0.1}, {2, 0.3}, {4, 0.5}, {14, 0.5}, {15, 0.5}, {16, 0.5 * (0.8 * 0.8 + 0.2)}, {19, 0.5 * (0.2 * 0.8 + 0.2)}, {20, 0.1}}},
      {"wsd", {"decay_steps=4"}, {{0, 0.5}, {16, 0.5}, {17, 0.25}, {20, 0}}},
      {"one_cycle", {"pct_start=0.5", "div_factor=10", "final_div_factor=5", "anneal=linear"}, {{0, 0.05}, {9, 0.5}, {19, 0.01}}},
      {"polynomial", {"power=2"}, {{0, 0.5}, {10, 0.125}}},
      {"linear", {"start_factor=0.2", "end_factor=0.6"}, {{0, 0.1}, {10, 0.2}, {20, 0.3}}},
      {"step", {"gamma=0.5", "step_size=7"}, {{6, 0.5}, {7, 0.25}, {14, 0.125}}},
      {"multi_step", {"gamma=0.5", "milestones=[3, 11]"}, {{2, 0.5}, {3, 0.25}, {11, 0.125}}},
      {"exponential", {"gamma=0.5"}, {{0, 0.5}, {3, 0.0625}}},
      {"cosine_restarts", {"t0=6", "t_mult=2", "eta_min=0.02"}, {{0, 0.5}, {2, 0.02 + 0.48 * 0.75}, {6, 0.5}, {18, 0.5}}},
  };
  for (const Row& row : rows)
    for (const auto& [step, value] : row.values)
      EXPECT_NEAR(make_schedule(chosen(row.name, row.keys), 0.5, 20)(step), value, 1e-12) << row.name << " at " << step;
}

TEST(ScheduleTable, AWarmupLongerThanTheRunIsAConfigError) {
  const config::Choice schedule = chosen("warmup_cosine", {"warmup_steps=20"});
  EXPECT_NO_THROW(make_schedule(schedule, 1.0, 20));
  EXPECT_THAT(message_of([&] { make_schedule(schedule, 1.0, 19); }, ErrorKind::Config),
              testing::HasSubstr("warm-up takes 20 steps and the run has 19"));
}

TEST(WeightDecay, IsConstantWithoutAnEndAndReachesOneWithIt) {
  RatesConfig rates;
  rates.weight_decay = 0.04;
  EXPECT_DOUBLE_EQ(weight_decay_schedule(rates, 7)(3), 0.04);
  rates.weight_decay_end = 0.4;
  EXPECT_DOUBLE_EQ(weight_decay_schedule(rates, 7)(7), 0.4);
}

}  // namespace
}  // namespace eosin::optim
