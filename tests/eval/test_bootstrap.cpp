#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/bootstrap.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

TEST(Bootstrap, PercentileInterpolates) {
  const Reals v = {1, 2, 4};
  EXPECT_DOUBLE_EQ(percentile(v, 0), 1);
  EXPECT_DOUBLE_EQ(percentile(v, 75), 3);
  EXPECT_DOUBLE_EQ(percentile(v, 100), 4);
}

TEST(Bootstrap, GivenResamplesOfAMean) {
  const Ints indices = {0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2, 2};
  const Interval r = bootstrap_interval(mean_statistic(Reals{1, 2, 6}), 3, {}, Resampler::given(indices, 3));
  EXPECT_EQ(r.replicates, (Reals{1, 2, 3, 6}));
  EXPECT_DOUBLE_EQ(r.estimate, 3);
}

TEST(Bootstrap, ResamplesPatientsNotRows) {
  // Every patient's rows are equal: an interval over patients must be wider than one over rows.
  Reals value;
  Ints group;
  for (int64_t patient = 0; patient < 11; ++patient)
    for (int i = 0; i < 13; ++i)
      value.push_back(RandomStream(5, static_cast<uint64_t>(patient), 0, RandomOp::kSynthetic).normal()), group.push_back(patient);
  const auto statistic = mean_statistic(value);
  const Interval patients = bootstrap_interval(statistic, 143, group, Resampler::drawn(11, 500, 1));
  const Interval rows = bootstrap_interval(statistic, 143, {}, Resampler::drawn(143, 500, 1));
  EXPECT_GT(patients.standard_error, 2 * rows.standard_error);
}

TEST(Bootstrap, CountsUndefinedReplicates) {
  const Ints target = {0, 1, 1, 1}, indices = {0, 1, 2, 3, 1, 1, 2, 3, 0, 0, 1, 1};
  const Interval r = bootstrap_interval(auroc_statistic(target, Reals{0.1, 0.2, 0.3, 0.4}), 4, {}, Resampler::given(indices, 4));
  EXPECT_EQ(r.undefined, 1);
  EXPECT_EQ(r.replicates.size(), 2U);
  EXPECT_FALSE(r.reliable());
}

TEST(Bootstrap, DrawsOfTheSeedAndTheReplicate) {
  const Resampler drawn = Resampler::drawn(13, 3, 7);
  for (int64_t replicate = 0; replicate < 3; ++replicate) {
    Reals count(13);
    RandomStream draws(7, static_cast<uint64_t>(replicate), 0, RandomOp::kBootstrap);
    for (int i = 0; i < 13; ++i) count[draws.below(13)] += 1;
    EXPECT_EQ(drawn.counts(replicate), count);
    EXPECT_NE(Resampler::drawn(13, 3, 8).counts(replicate), count);
  }
}

TEST(Bootstrap, SameBitsForAnyNumberOfThreads) {
  Reals value;
  for (uint64_t i = 0; i < 97; ++i) value.push_back(RandomStream(3, i, 0, RandomOp::kSynthetic).normal());
  const int before = at::get_num_threads();
  std::vector<Interval> results;
  for (int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    results.push_back(bootstrap_interval(mean_statistic(value), 97, {}, Resampler::drawn(97, 301, 11), {.method = IntervalMethod::Bca}));
  }
  at::set_num_threads(before);
  for (const auto& r : results) {
    EXPECT_EQ(r.replicates, results[0].replicates);
    EXPECT_EQ(r.low, results[0].low);
    EXPECT_EQ(r.high, results[0].high);
  }
}

TEST(Bootstrap, CoversTheTruthAboutAsOftenAsItSays) {
  int covered = 0;
  constexpr int kCohorts = 300;
  for (uint64_t cohort = 0; cohort < kCohorts; ++cohort) {
    Reals value;
    for (uint32_t i = 0; i < 40; ++i) value.push_back(RandomStream(cohort, i, 1, RandomOp::kSynthetic).normal());
    const Interval r = bootstrap_interval(mean_statistic(value), 40, {}, Resampler::drawn(40, 200, cohort));
    covered += r.low <= 0 && 0 <= r.high;
  }
  EXPECT_GT(covered, 0.88 * kCohorts);
  EXPECT_LT(covered, 0.99 * kCohorts);
}

TEST(Bootstrap, RefusesBadInput) {
  const auto statistic = mean_statistic(Reals{1, 2, 3});
  EXPECT_THROW(bootstrap_interval(statistic, 3, {}, Resampler::drawn(2, 10, 0)), Error);
  EXPECT_THROW(bootstrap_interval(statistic, 3, Ints{0, 1}, Resampler::drawn(2, 10, 0)), Error);
  EXPECT_THROW(bootstrap_interval(statistic, 3, {}, Resampler::drawn(3, 10, 0), {.confidence = 1}), Error);
  EXPECT_THROW(Resampler::given(Ints{0, 3, 1}, 3), Error);
  EXPECT_THROW(Resampler::given(Ints{0, 1}, 3), Error);
  EXPECT_THROW(mean_statistic(Reals{1, std::nan("")}), Error);
  // A perfect classifier: every replicate equals the estimate, and leaving a row out changes nothing.
  EXPECT_THROW(
      bootstrap_interval(accuracy_statistic(Ints{0, 1, 1}, Ints{0, 1, 1}), 3, {}, Resampler::drawn(3, 10, 0), {.method = IntervalMethod::Bca}),
      Error);
}

}  // namespace
}  // namespace eosin::eval
