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

TEST(ScheduleTable, AWarmupLongerThanTheRunIsAConfigError) {
  config::Source source;
  source.override_with("schedule.name=warmup_cosine");
  source.override_with("schedule.warmup_steps=20");
  struct Config {
    config::Choice schedule{schedule_table(), "warmup_cosine"};
    void visit(config::Visitor& v) { v("schedule", schedule, "learning rate"); }
  } config;
  config::read(source, config);
  EXPECT_NO_THROW(make_schedule(config.schedule, 1.0, 20));
  EXPECT_THAT(message_of([&] { make_schedule(config.schedule, 1.0, 19); }, ErrorKind::Config),
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
