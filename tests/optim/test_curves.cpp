#include "optim/curves.h"
#include "optim/plateau.h"

#include <gtest/gtest.h>

namespace eosin::optim {
namespace {

TEST(WarmupCosine, ReachesBaseAtTheLastWarmupStepAndFinalAfterTheRun) {
  WarmupCosine s;
  s.base = 0.4, s.final = 0.1, s.total = 17, s.warmup = 5, s.start = 0.2;
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 0), 0.2);
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 4), 0.4);
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 5), 0.4);
  EXPECT_GT(warmup_cosine(s, 16), 0.1);
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 17), 0.1);
  s.inclusive = true;
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 16), 0.1);
}

TEST(WarmupCosine, TruncatedCosineEndsAtFinal) {
  WarmupCosine s;
  s.base = 1.0, s.final = 0.25, s.total = 11, s.trunc_extra = 0.5;
  EXPECT_DOUBLE_EQ(warmup_cosine(s, 0), 1.0);
  EXPECT_NEAR(warmup_cosine(s, 10), 0.25, 1e-15);
}

TEST(WarmupCosine, ShortRunsAndSinglePointsAreFinite) {
  for (int64_t total = 1; total <= 4; ++total)
    for (int64_t warmup = 0; warmup <= total; ++warmup)
      for (const double extra : {0.0, 0.3})
        for (int64_t step = 0; step < total + 2; ++step) {
          WarmupCosine s;
          s.total = total, s.warmup = warmup, s.trunc_extra = extra;
          const double v = warmup_cosine(s, step);
          EXPECT_GE(v, 0.0) << total << " " << warmup << " " << step;
          EXPECT_LE(v, 1.0) << total << " " << warmup << " " << step;
        }
}

TEST(OneCycle, EndsAtItsLastValueAndStaysThere) {
  OneCycle s;
  s.max_lr = 0.1, s.total_steps = 13;
  EXPECT_NEAR(one_cycle_lr(s, 12), 0.1 / 25 / 1e4, 1e-15);
  EXPECT_DOUBLE_EQ(one_cycle_lr(s, 50), one_cycle_lr(s, 12));
  s.three_phase = true;
  EXPECT_NEAR(one_cycle_momentum(s, 12), 0.95, 1e-15);
}

TEST(Plateau, RestoredOneGoesOnAsTheOriginal) {
  PlateauConfig config;
  config.patience = 1, config.cooldown = 2;
  Plateau whole(config), first(config), second(config);
  const double metric[] = {3, 2, 2, 2, 2, 2, 1.9, 5, 5, 5, 5, 5, 5};
  int k = 0;
  for (const double m : metric) {
    whole.report(m);
    if (k++ < 5) first.report(m);
    if (k == 5) second.restore(first.memory());
    if (k > 5) second.report(m);
  }
  EXPECT_DOUBLE_EQ(second.value(), whole.value());
  EXPECT_LT(whole.value(), config.base);
}

}  // namespace
}  // namespace eosin::optim
