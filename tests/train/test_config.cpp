#include "train/config.h"

#include "core/base/error.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::train {
namespace {

TEST(TrainConfig, LengthInStepsOrSamples) {
  TrainConfig c;
  EXPECT_EQ(c.total_steps(), 1000);
  c.steps = 7;
  EXPECT_EQ(c.total_steps(), 7);
  c.steps.reset();
  c.samples = 129, c.batch_size = 64;
  EXPECT_EQ(c.total_steps(), 3);
}

TEST(TrainConfig, MicroBatchNamesTheNearestValidSizes) {
  TrainConfig c;
  c.batch_size = 50, c.accumulate = 4;
  EXPECT_THAT(message_of([&] { c.micro_batch(3); }, ErrorKind::Config), testing::HasSubstr("48 or 60"));
  c.batch_size = 60;
  EXPECT_EQ(c.micro_batch(3), 5);
}

}  // namespace
}  // namespace eosin::train
