#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/concordance.h"
#include "eval/cox.h"
#include "eval/integrated_brier.h"
#include "eval/kaplan_meier.h"
#include "eval/logrank.h"
#include "eval/ranking.h"
#include "eval/time_dependent_auc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

struct Cohort {
  Reals time, risk;
  Ints event, group;
  operator FollowUp() const { return {time, event}; }
};
/// Exponential times with hazard exp(slope * risk), rounded so that ties occur.
Cohort cohort(size_t n, uint64_t seed, double slope = 1, double grain = 0.25) {
  Cohort c;
  RandomStream r(23, seed, 0, RandomOp::kSynthetic);
  for (size_t i = 0; i < n; ++i) {
    c.risk.push_back(std::round(4 * r.normal()) / 4);
    const double t = -std::log(1 - r.uniform_double()) * std::exp(-slope * c.risk[i]), last = 3 * r.uniform_double();
    c.time.push_back((std::floor(std::min(t, last) / grain) + 1) * grain);
    c.event.push_back(t <= last);
    c.group.push_back(static_cast<int64_t>(r.below(2)));
  }
  return c;
}

TEST(Concordance, EqualsThePairsOneByOne) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Cohort c = cohort(61, seed);
    Concordance want;
    for (size_t i = 0; i < 61; ++i)
      for (size_t j = 0; j < 61; ++j) {
        if (!c.event[i] || i == j || c.time[j] < c.time[i] || (c.time[j] == c.time[i] && c.event[j])) continue;
        want.tied_time += c.time[j] == c.time[i];
        ++(c.risk[i] == c.risk[j] ? want.tied_risk : c.risk[i] > c.risk[j] ? want.concordant : want.discordant);
      }
    const Concordance got = harrell_c(c, c.risk);
    EXPECT_EQ(got.concordant, want.concordant);
    EXPECT_EQ(got.discordant, want.discordant);
    EXPECT_EQ(got.tied_risk, want.tied_risk);
    EXPECT_EQ(got.tied_time, want.tied_time);
  }
}

TEST(Concordance, RisksWithinTheToleranceAreTied) {
  const Reals time = {1, 2};
  const Ints event = {1, 1};
  EXPECT_EQ(harrell_c({time, event}, Reals{0, 1e-9}).tied_risk, 1);
  EXPECT_EQ(harrell_c({time, event}, Reals{0, 1e-7}).discordant, 1);
  EXPECT_EQ(harrell_c({time, event}, Reals{5, 5.5}, 0.5).tied_risk, 1);
}

TEST(Concordance, UnoWithoutCensoringIsHarrell) {
  Cohort c = cohort(41, 9);
  std::fill(c.event.begin(), c.event.end(), 1);
  EXPECT_NEAR(uno_c(c, c.risk, c), harrell_c(c, c.risk).value, 1e-14);
}

TEST(Concordance, RefusesWhatCannotBeCompared) {
  const Reals time = {1, 2, 3}, risk = {3, 2, 1};
  const Ints none = {0, 0, 0}, all = {1, 1, 1};
  EXPECT_THROW(harrell_c({time, none}, risk), Error);
  EXPECT_THROW(uno_c({time, none}, risk, {time, all}), Error);
  EXPECT_THROW(harrell_c({time, all}, Reals{3, NAN, 1}), Error);
  EXPECT_THROW(harrell_c({time, all}, Reals{3, 1}), Error);
  EXPECT_THROW(harrell_c({Reals{1, 0, 3}, all}, risk), Error);
  EXPECT_THROW(harrell_c({Reals{1, -2, 3}, all}, risk), Error);
}

TEST(Concordance, UnoNamesWhoIsBeyondTheTrainingFollowUp) {
  const Reals train = {1, 2, 3}, test = {1, 2.5, 9, 10};
  const Ints train_event = {1, 0, 1}, partly = {0, 1, 0}, test_event = {1, 1, 1, 1};
  const Reals risk = {4, 3, 2, 1};
  EXPECT_NO_THROW(uno_c({test, test_event}, risk, {train, train_event}, 3.0));
  try {
    // Training ends with a censored subject among two: G is 0 from 3 on.
    uno_c({test, test_event}, risk, {train, partly});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_NE(std::string(e.what()).find("subject 3"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("tau <= 3"), std::string::npos) << e.what();
  }
}

TEST(KaplanMeier, ByHand) {
  // 5 at risk: event at 1, censored at 2, event at 3 (of 3), event at 4 (of 2), censored at 5.
  const Reals time = {3, 1, 2, 5, 4};
  const Ints event = {1, 1, 0, 0, 1};
  const KaplanMeier k = kaplan_meier({time, event});
  EXPECT_EQ(k.time, (Reals{1, 2, 3, 4, 5}));
  EXPECT_EQ(k.at_risk, (Reals{5, 4, 3, 2, 1}));
  EXPECT_NEAR(k.survival[0], 0.8, 1e-15);
  EXPECT_NEAR(k.survival[2], 0.8 * 2 / 3, 1e-15);
  EXPECT_NEAR(k.survival[4], 0.8 / 3, 1e-15);
  const double v = 1.0 / 20, half = 1.959963984540054 * std::sqrt(v) / std::log(0.8);
  EXPECT_NEAR(k.low[0], std::pow(0.8, std::exp(-half)), 1e-14);
  EXPECT_NEAR(k.high[0], std::pow(0.8, std::exp(half)), 1e-14);
  EXPECT_LT(k.low[0], k.survival[0]);

  const SurvivalTable t = survival_table({time, event});
  EXPECT_EQ(t.time, (Reals{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(t.censored, (Reals{0, 0, 1, 0, 0, 1}));
  EXPECT_EQ(t.median(), 4);
  EXPECT_NEAR(t.restricted_mean(3.5), 1 + 0.8 * 2 + 0.8 * 2 / 3 * 0.5, 1e-15);
  EXPECT_NEAR(t.restricted_mean(6), 1 + 0.8 * 2 + 0.8 * 2 / 3 + 0.8 / 3 * 2, 1e-15);
}

TEST(KaplanMeier, AllCensoredHasNoPoints) {
  const Reals time = {1, 2};
  const Ints none = {0, 0}, all = {1, 1};
  EXPECT_TRUE(kaplan_meier({time, none}).time.empty());
  EXPECT_FALSE(survival_table({time, none}).median().has_value());
  EXPECT_EQ(kaplan_meier({time, all}).time, (Reals{1}));
}

TEST(KaplanMeier, EventsLeaveBeforeCensorings) {
  const Reals time = {1, 1, 2};
  const Ints event = {1, 0, 1};
  const Censoring g("test", {time, event});
  EXPECT_NEAR(g.survival(0.5, 0), 1, 0);
  EXPECT_NEAR(g.survival(1, 0), 0.5, 1e-15);  // one of the two that the event left
}

TEST(TimeDependentAuc, WithoutCensoringIsTheAreaOfTheStatusAtEachTime) {
  Cohort c = cohort(67, 4);
  std::fill(c.event.begin(), c.event.end(), 1);
  const Reals times = {0.5, 1, 1.5};
  const TimeDependentAuc r = time_dependent_auc(c, {c.risk.data(), 67, 1}, c, times);
  for (size_t t = 0; t < times.size(); ++t) {
    Ints status;
    for (double time : c.time) status.push_back(time <= times[t]);
    EXPECT_NEAR(r.auroc[t], auroc(status, c.risk), 1e-13);
  }
}

TEST(TimeDependentAuc, NamesATimeWithoutCases) {
  const Cohort c = cohort(30, 5);
  EXPECT_THROW(time_dependent_auc(c, {c.risk.data(), 30, 1}, c, Reals{0.01}), Error);
  EXPECT_THROW(time_dependent_auc(c, {c.risk.data(), 30, 1}, c, Reals{1, 1}), Error);
  EXPECT_THROW(time_dependent_auc(c, {c.risk.data(), 30, 1}, c, Reals{}), Error);
}

TEST(IntegratedBrier, WithoutCensoringIsTheMeanSquare) {
  const Reals time = {1, 2, 3, 4};
  const Ints event = {1, 1, 1, 1};
  Matrix s(4, 2, 0.5);
  const IntegratedBrier r = integrated_brier({time, event}, s, {time, event}, Reals{1.5, 2.5});
  EXPECT_NEAR(r.value, 0.25, 1e-15);
  Matrix truth(4, 2);
  for (int64_t i = 0; i < 4; ++i) truth(i, 0) = time[i] > 1.5, truth(i, 1) = time[i] > 2.5;
  EXPECT_EQ(integrated_brier({time, event}, truth, {time, event}, Reals{1.5, 2.5}).value, 0);
  truth(0, 0) = 1.5;
  EXPECT_THROW(integrated_brier({time, event}, truth, {time, event}, Reals{1.5, 2.5}), Error);
  EXPECT_THROW(integrated_brier({time, event}, Matrix(4, 1), {time, event}, Reals{1.5}), Error);
}

TEST(Logrank, GroupsOfOneHazardAreRejectedAsOftenAsSaid) {
  int rejected = 0;
  for (uint64_t study = 0; study < 400; ++study) {
    const Cohort c = cohort(60, 100 + study);
    rejected += logrank(c, c.group).p_value < 0.1;
  }
  EXPECT_NEAR(rejected / 400.0, 0.1, 0.068);
}

TEST(Logrank, RefusesASingleGroupAndNoEvents) {
  const Cohort c = cohort(20, 1);
  EXPECT_THROW(logrank(c, Ints(20, 3)), Error);
  const Ints none(20, 0);
  EXPECT_THROW(logrank({c.time, none}, c.group), Error);
}

// With one binary covariate and no ties the score test of Cox at 0 is the log-rank test.
TEST(Cox, FindsTheSlopeOfTheHazard) {
  const Cohort c = cohort(3000, 3, 0.7, 1e-9);
  const Cox fit = cox(c, {c.risk.data(), 3000, 1});
  EXPECT_NEAR(fit.coef[0], 0.7, 4 * fit.se[0]);
  EXPECT_LT(fit.se[0], 0.05);
  EXPECT_NEAR(fit.hazard_ratio[0], std::exp(fit.coef[0]), 1e-12);
}

TEST(Cox, ScaleAndShiftOfACovariateChangeNothingElse) {
  Cohort c = cohort(83, 6);
  const Cox a = cox(c, {c.risk.data(), 83, 1});
  for (double& x : c.risk) x = 1000 + 1e-3 * x;
  const Cox b = cox(c, {c.risk.data(), 83, 1});
  EXPECT_NEAR(b.coef[0] * 1e-3, a.coef[0], 1e-8);
  EXPECT_NEAR(b.log_likelihood, a.log_likelihood, 1e-9);
}

TEST(Cox, RefusesWhatHasNoFiniteMaximum) {
  const Reals time = {1, 2, 3, 4, 5};
  const Ints all = {1, 1, 1, 1, 1}, none = {0, 0, 0, 0, 0};
  const Reals ordered = {5, 4, 3, 2, 1}, constant(5, 2.0);
  Matrix twice(5, 2);
  for (int64_t i = 0; i < 5; ++i) twice(i, 0) = i % 2 ? 1 : -1, twice(i, 1) = 3 * twice(i, 0);
  EXPECT_THROW(cox({time, all}, {ordered.data(), 5, 1}), Error);
  EXPECT_THROW(cox({time, all}, {constant.data(), 5, 1}), Error);
  EXPECT_THROW(cox({time, all}, twice), Error);
  EXPECT_THROW(cox({time, none}, {ordered.data(), 5, 1}), Error);
}

}  // namespace
}  // namespace eosin::eval
