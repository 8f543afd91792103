#include "core/base/error.h"
#include "eval/ranking.h"

#include <gtest/gtest.h>

#include <cmath>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

const Ints kTarget = {0, 1, 0, 1, 1, 0, 1};
const Reals kScore = {0.1, 0.4, 0.4, 0.8, 0.3, 0.3, 0.9};

/// Mann-Whitney by all pairs.
double by_pairs(const Ints& target, const Reals& score, const Reals& weight) {
  double wins = 0, pairs = 0;
  for (size_t i = 0; i < target.size(); ++i)
    for (size_t j = 0; j < target.size(); ++j)
      if (target[i] == 1 && target[j] == 0) {
        const double w = weight[i] * weight[j];
        pairs += w;
        wins += w * (score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0);
      }
  return wins / pairs;
}

TEST(Auroc, IsTheShareOfPairsRankedRightly) {
  const Reals weight = {1, 2, 0.5, 1, 3, 1, 0.25};
  EXPECT_NEAR(auroc(kTarget, kScore), by_pairs(kTarget, kScore, Reals(7, 1.0)), 1e-15);
  EXPECT_NEAR(auroc(kTarget, kScore, weight), by_pairs(kTarget, kScore, weight), 1e-15);
}

TEST(Auroc, IsUnchangedByAMonotoneMap) {
  Reals mapped;
  for (double s : kScore) mapped.push_back(std::exp(5 * s) - 3);
  EXPECT_DOUBLE_EQ(auroc(kTarget, kScore), auroc(kTarget, mapped));
}

TEST(Auroc, PartialOfAllIsTheWholeAndChanceIsOneHalf) {
  EXPECT_DOUBLE_EQ(partial_auroc(kTarget, kScore, 1), auroc(kTarget, kScore));
  EXPECT_DOUBLE_EQ(partial_auroc(kTarget, Reals(7, 0.5), 0.3), 0.5);
}

TEST(Auroc, TwoClassesOneAgainstRestAndOneAgainstOneAgree) {
  Matrix score(7, 2);
  for (int64_t i = 0; i < 7; ++i) score(i, 1) = kScore[i], score(i, 0) = 1 - kScore[i];
  const double binary = auroc(kTarget, kScore);
  EXPECT_NEAR(auroc_ovr(kTarget, score).value, binary, 1e-15);
  EXPECT_NEAR(auroc_ovo(kTarget, score), binary, 1e-15);
  EXPECT_NEAR(*RankedScores(kTarget, score).macro({}), binary, 1e-15);
}

TEST(Auroc, RefusesASingleClassAndNumbersThatAreNone) {
  EXPECT_THROW(auroc(Ints{1, 1}, Reals{0.1, 0.2}), Error);
  EXPECT_THROW(auroc(Ints{1, 0}, Reals{0.1, std::nan("")}), Error);
  EXPECT_THROW(auroc(Ints{1, 0}, Reals{0.1}), Error);
  EXPECT_THROW(auroc(Ints{1, 2}, Reals{0.1, 0.2}), Error);
  EXPECT_THROW(auroc(Ints{}, Reals{}), Error);
  EXPECT_THROW(partial_auroc(kTarget, kScore, 0), Error);
  const Matrix three(7, 3, 0.3);
  EXPECT_THROW(auroc_ovr(kTarget, three), Error);  // class 2 is absent
  EXPECT_THROW(auroc_ovo(kTarget, three), Error);
  const RankedScores ranked(kTarget, {kScore.data(), 7, 1});
  EXPECT_FALSE(ranked.area(0, Reals{1, 0, 1, 0, 0, 1, 0}).has_value());
}

TEST(Curves, AreaUnderTheRocIsTheAuroc) {
  for (bool drop : {false, true}) {
    const RocCurve c = roc_curve(kTarget, kScore, drop);
    double area = 0;
    for (size_t i = 1; i < c.fpr.size(); ++i) area += (c.fpr[i] - c.fpr[i - 1]) * (c.tpr[i] + c.tpr[i - 1]) / 2;
    EXPECT_NEAR(area, auroc(kTarget, kScore), 1e-15);
    EXPECT_EQ(c.threshold.size() + 1, c.fpr.size());
  }
}

TEST(Curves, AveragePrecisionOfAPerfectRankingIsOne) {
  EXPECT_DOUBLE_EQ(average_precision(Ints{0, 1, 1}, Reals{0.1, 0.5, 0.9}), 1.0);
  EXPECT_THROW(average_precision(Ints{0, 0}, Reals{0.1, 0.5}), Error);
}

TEST(Curves, PrecisionOfRankedScoresIsTheAveragePrecision) {
  const RankedScores ranked(kTarget, {kScore.data(), 7, 1});
  EXPECT_NEAR(*ranked.precision(0, {}), average_precision(kTarget, kScore), 1e-15);
  const Reals weight = {2, 0, 1, 3, 1, 0, 2};
  EXPECT_NEAR(*ranked.precision(0, weight), average_precision(kTarget, kScore, weight), 1e-15);
}

TEST(Curves, SensitivityAtSpecificityTakesTheHighestThreshold) {
  const OperatingPoint p = sensitivity_at_specificity(Ints{0, 0, 1, 1, 1}, Reals{0.1, 0.6, 0.5, 0.7, 0.9}, 1.0);
  EXPECT_DOUBLE_EQ(p.sensitivity, 2.0 / 3);
  EXPECT_DOUBLE_EQ(p.threshold, 0.7);
  EXPECT_THROW(sensitivity_at_specificity(Ints{0, 1}, Reals{0.9, 0.1}, 1.0), Error);
}

}  // namespace
}  // namespace eosin::eval
