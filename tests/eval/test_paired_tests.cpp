#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/delong.h"
#include "eval/fold_summary.h"
#include "eval/friedman.h"
#include "eval/mcnemar.h"
#include "eval/multiple_tests.h"
#include "eval/ranking.h"
#include "eval/regression.h"
#include "eval/wilcoxon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

using Ints = std::vector<int64_t>;
using Reals = std::vector<double>;

RandomStream draws(uint64_t position) { return {17, position, 0, RandomOp::kSynthetic}; }

/// Scores with many ties, higher for positives.
struct Scored {
  Ints target;
  Matrix score;
};
Scored scored(int64_t models, int64_t n, uint64_t seed) {
  RandomStream r = draws(seed);
  Scored s{{}, Matrix(models, n)};
  for (int64_t i = 0; i < n; ++i) {
    s.target.push_back(i % 3 == 0);
    for (int64_t k = 0; k < models; ++k) s.score(k, i) = std::round(4 * (r.normal() + static_cast<float>(s.target[i]))) / 4;
  }
  return s;
}

TEST(DeLong, EqualsThePairsOneByOne) {
  const Scored s = scored(2, 53, 1);
  const DeLong d = delong(s.target, s.score);
  Reals v10[2], v01[2];  // placements of positives, negatives
  for (int k = 0; k < 2; ++k)
    for (int side = 0; side < 2; ++side)
      for (int64_t i = 0; i < 53; ++i) {
        if (s.target[i] != (side == 0)) continue;
        double sum = 0, n = 0;
        for (int64_t j = 0; j < 53; ++j) {
          if (s.target[j] == s.target[i]) continue;
          const double gap = side == 0 ? s.score(k, i) - s.score(k, j) : s.score(k, j) - s.score(k, i);
          sum += gap > 0 ? 1 : gap == 0 ? 0.5 : 0, n += 1;
        }
        (side == 0 ? v10 : v01)[k].push_back(sum / n);
      }
  const auto covariance = [](const Reals& a, const Reals& b) {
    const double n = static_cast<double>(a.size()), ma = std::accumulate(a.begin(), a.end(), 0.0) / n,
                 mb = std::accumulate(b.begin(), b.end(), 0.0) / n;
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - ma) * (b[i] - mb);
    return sum / (n - 1) / n;
  };
  for (int a = 0; a < 2; ++a) {
    EXPECT_NEAR(d.auroc[a], auroc(s.target, s.score.row(a)), 1e-14);
    for (int b = 0; b < 2; ++b) EXPECT_NEAR(d.covariance(a, b), covariance(v10[a], v10[b]) + covariance(v01[a], v01[b]), 1e-14);
  }
}

TEST(DeLong, EqualScoresDoNotDiffer) {
  Scored s = scored(1, 31, 2);
  s.score.values.insert(s.score.values.end(), s.score.values.begin(), s.score.values.end());
  s.score.rows = 2;
  const TestResult t = delong_test(delong(s.target, s.score));
  EXPECT_EQ(t.statistic, 0);
  EXPECT_EQ(t.p_value, 1);
}

TEST(DeLong, RefusesWhatHasNoVariance) {
  const Ints target = {0, 0, 1, 1};
  const Matrix opposite{2, 4};
  EXPECT_THROW(delong(Ints{0, 1, 1, 1}, Matrix(1, 4)), Error);
  EXPECT_THROW(delong(Ints{0, 0, 0, 0}, opposite), Error);
  Matrix s(2, 4);
  s.values = {0, 1, 2, 3, 3, 2, 1, 0};
  EXPECT_THROW(delong_test(delong(target, s)), Error);
  s.values[3] = NAN;
  EXPECT_THROW(delong(target, s), Error);
}

// No model is better: a test at level 0.1 must reject in a tenth of the studies. 400 studies, 4.5 standard errors.
TEST(DeLong, FalsePositivesAreAsOftenAsSaid) {
  int rejected = 0;
  for (uint64_t study = 0; study < 400; ++study) {
    const Scored s = scored(2, 90, 100 + study);
    rejected += delong_test(delong(s.target, s.score)).p_value < 0.1;
  }
  EXPECT_NEAR(rejected / 400.0, 0.1, 0.068);
}

TEST(McNemar, SmallTablesByHand) {
  const PairedHits h = paired_hits(Ints{1, 1, 1, 1, 1, 1}, Ints{1, 1, 1, 1, 0, 0}, Ints{1, 0, 0, 0, 1, 0});
  EXPECT_EQ(h.both, 1);
  EXPECT_EQ(h.only_a, 3);
  EXPECT_EQ(h.only_b, 1);
  EXPECT_EQ(h.neither, 1);
  EXPECT_NEAR(mcnemar(h, McNemarForm::Exact).p_value, 2 * 5.0 / 16, 1e-14);
  EXPECT_NEAR(mcnemar(h, McNemarForm::ChiSquare).statistic, 1, 1e-15);
  EXPECT_NEAR(mcnemar(h, McNemarForm::Corrected).statistic, 0.25, 1e-15);
  EXPECT_EQ(mcnemar_form(h), McNemarForm::Exact);
  EXPECT_EQ(mcnemar({5, 0, 0, 5}, McNemarForm::Exact).p_value, 1);
  EXPECT_THROW(mcnemar({5, 0, 0, 5}, McNemarForm::ChiSquare), Error);
}

TEST(Wilcoxon, ExactEqualsAllSigns) {
  const Reals a = {0.3, -1.2, 2.5, 0.9, -0.1, 1.7, 3.1}, zero(7);
  const Reals size_rank = {2, 4, 6, 3, 1, 5, 7};
  double plus = 0, at_least = 0, at_most = 0;
  for (int i = 0; i < 7; ++i) plus += a[i] > 0 ? size_rank[i] : 0;
  for (int signs = 0; signs < 128; ++signs) {
    int sum = 0;
    for (int r = 1; r <= 7; ++r) sum += signs >> (r - 1) & 1 ? r : 0;
    at_least += sum >= plus, at_most += sum <= plus;
  }
  WilcoxonOptions o{.exact = true};
  EXPECT_NEAR(wilcoxon(a, zero, o).p_value, 2 * std::min(at_least, at_most) / 128, 1e-14);
  EXPECT_EQ(wilcoxon(a, zero, o).statistic, 28 - plus);
  o.alternative = Alternative::Greater;
  EXPECT_NEAR(wilcoxon(a, zero, o).p_value, at_least / 128, 1e-14);
  EXPECT_EQ(wilcoxon(a, zero, o).statistic, plus);
  o.alternative = Alternative::Less;
  EXPECT_NEAR(wilcoxon(a, zero, o).p_value, at_most / 128, 1e-14);
}

TEST(Wilcoxon, RefusesEqualValuesAndTiesInTheExactForm) {
  const Reals a = {1, 2, 3}, b = {0, 1, 2};
  EXPECT_THROW(wilcoxon(a, a), Error);
  EXPECT_THROW(wilcoxon(a, a, {.zeros = ZeroDifferences::Pratt}), Error);
  EXPECT_THROW(wilcoxon(a, b, {.exact = true}), Error);
  EXPECT_NO_THROW(wilcoxon(a, b));
}

TEST(MultipleTests, ByHand) {
  const Reals p = {0.04, 0.01, 0.03};
  EXPECT_EQ(holm(p), (Reals{0.06, 0.03, 0.06}));
  EXPECT_NEAR(benjamini_hochberg(p)[0], 0.04, 1e-15);
  EXPECT_NEAR(benjamini_hochberg(p)[1], 0.03, 1e-15);
  EXPECT_NEAR(benjamini_hochberg(p)[2], 0.04, 1e-15);
  EXPECT_EQ(rejected(holm(p)), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(holm(Reals{0.9, 0.8}), (Reals{1, 1}));
  EXPECT_THROW(holm(Reals{}), Error);
  EXPECT_THROW(benjamini_hochberg(Reals{0.5, 1.5}), Error);
}

TEST(Friedman, OneOrderInEveryBlockIsTheLargestStatistic) {
  Matrix v(5, 3);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t k = 0; k < 3; ++k) v(i, k) = static_cast<double>(10 * i + k);
  const Friedman f = friedman(v);
  EXPECT_NEAR(f.test.statistic, 5 * 2, 1e-12);  // N (K - 1)
  EXPECT_EQ(f.mean_rank, (Reals{1, 2, 3}));
  EXPECT_THROW(friedman(Matrix(3, 4, 1.0)), Error);
}

TEST(FoldSummary, IntervalOfTwoFolds) {
  const FoldSummary s = fold_summary(Reals{0.5, 0.7});
  EXPECT_NEAR(s.mean, 0.6, 1e-15);
  EXPECT_NEAR(s.sd, 0.2 / std::sqrt(2), 1e-15);
  EXPECT_NEAR(s.high - s.mean, 12.706204736174694 * 0.1, 1e-9);
  EXPECT_THROW(fold_summary(Reals{0.5}), Error);
}

TEST(FoldSummary, EqualModelsDoNotDiffer) {
  const Reals a = {0.5, 0.7, 0.6}, b = {0.25, 0.45, 0.35};
  EXPECT_EQ(corrected_resampled_t(a, a, 0.25).p_value, 1);
  EXPECT_THROW(corrected_resampled_t(a, b, -1), Error);
}

// Folds of repeated splits share rows: model the differences as a common part of variance n_test / n_train beside the folds' own. The corrected
// test keeps its level, the plain one (ratio 0) does not.
TEST(FoldSummary, CorrectionKeepsTheLevelOnOverlappingFolds) {
  const double ratio = 0.25;
  int corrected = 0, plain = 0;
  for (uint64_t study = 0; study < 1000; ++study) {
    RandomStream r = draws(10000 + study);
    Reals d, zero(10);
    const double common = std::sqrt(ratio) * r.normal();
    for (int fold = 0; fold < 10; ++fold) d.push_back(common + r.normal());
    corrected += corrected_resampled_t(d, zero, ratio).p_value < 0.05;
    plain += corrected_resampled_t(d, zero, 0).p_value < 0.05;
  }
  EXPECT_NEAR(corrected / 1000.0, 0.05, 0.03);
  EXPECT_GT(plain / 1000.0, 0.15);
}

TEST(Regression, ExactLineAndItsMirror) {
  const Reals x = {1, 2, 3, 5}, up = {3, 5, 7, 11}, down = {-1, -2, -30, -31};
  EXPECT_NEAR(pearson(x, up), 1, 1e-15);
  EXPECT_NEAR(spearman(x, down), -1, 1e-15);
  EXPECT_THROW(pearson(x, Reals{2, 2, 2, 2}), Error);
  EXPECT_THROW(pearson(x, Reals{2, 2, 2, NAN}), Error);
  Matrix t(4, 1), p(4, 1);
  t.values = x, p.values = {1, 2, 3, 4};
  const RegressionMetrics m = regression_metrics(t, p);
  EXPECT_NEAR(m.mse[0], 0.25, 1e-15);
  EXPECT_NEAR(m.mae[0], 0.25, 1e-15);
  EXPECT_NEAR(m.r2[0], 1 - 1 / 8.75, 1e-15);
}

}  // namespace
}  // namespace eosin::eval
