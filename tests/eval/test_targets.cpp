// Metrics of several targets, of which rows may lack some.
#include "eval/metrics.h"

#include "core/base/error.h"
#include "eval/ranking.h"
#include "eval/regression.h"
#include "tests/message_of.h"

#include <gtest/gtest.h>

#include <cmath>

namespace eosin::eval {
namespace {

const std::vector<std::string> kNames = {"er", "pr"};

Matrix matrix(int64_t cols, std::vector<double> values) {
  Matrix m(static_cast<int64_t>(values.size()) / cols, cols);
  m.values = std::move(values);
  return m;
}

Predictions numbers() {
  Predictions p;
  p.number_NT = matrix(2, {1, NAN, 4, 2, 2, 7, NAN, 1, 9, 3});
  p.estimate_NT = matrix(2, {1.5, 0, 3, 1, 2.5, 5, 100, 2, 8, 4});
  p.target.assign(5, 0);
  return p;
}

TEST(Targets, AMetricIsOfTheRowsThatKnowTheTarget) {
  const Predictions p = numbers();
  const double first = pearson(std::vector<double>{1, 4, 2, 9}, std::vector<double>{1.5, 3, 2.5, 8}),
               second = pearson(std::vector<double>{2, 7, 1, 3}, std::vector<double>{1, 5, 2, 4});
  EXPECT_NEAR(*of_target(metric("pearson"), p, 0)({}), first, 1e-15);
  EXPECT_NEAR(*over_targets(metric("pearson"), p, kNames)({}), (first + second) / 2, 1e-15);
  EXPECT_NEAR(*over_targets(metric("mae"), p, kNames)({}), ((0.5 + 1 + 0.5 + 1) / 4 + (1.0 + 2 + 1 + 1) / 4) / 2, 1e-15);
  // A resample counts the rows of all targets; one that holds no row with the target has no value.
  const std::vector<double> weight = {0, 2, 1, 3, 0}, unknown = {0, 0, 0, 2, 0};
  EXPECT_NEAR(*of_target(metric("mae"), p, 0)(weight), (2 * 1 + 0.5) / 3, 1e-15);
  EXPECT_NEAR(*of_target(metric("mae"), p, 1)(weight), (2 * 1 + 2 + 3 * 1) / 6.0, 1e-15);
  EXPECT_FALSE(of_target(metric("mae"), p, 0)(unknown));
  EXPECT_FALSE(over_targets(metric("mae"), p, kNames)(unknown));
}

TEST(Targets, FlagsAreTwoClassesEach) {
  Predictions p;
  p.flags = true;
  p.number_NT = matrix(2, {1, 0, 0, NAN, 1, 1, 0, 1, NAN, 0});
  p.estimate_NT = matrix(2, {0.9, 0.2, 0.6, 0.5, 0.4, 0.7, 0.1, 0.1, 0.3, 0.3});
  EXPECT_EQ(p.kind(), "predictions");
  const double first = auroc(std::vector<int64_t>{1, 0, 1, 0}, std::vector<double>{0.9, 0.6, 0.4, 0.1}),
               second = auroc(std::vector<int64_t>{0, 1, 1, 0}, std::vector<double>{0.2, 0.7, 0.1, 0.3});
  EXPECT_NEAR(*over_targets(metric("auroc_ovr_macro"), p, kNames)({}), (first + second) / 2, 1e-15);
  EXPECT_NEAR(*of_target(metric("accuracy"), p, 0)({}), 0.5, 1e-15);  // right: 0.9 and 0.1
}

TEST(Targets, SayWhichOneIsUndefined) {
  Predictions p = numbers();
  for (int64_t i = 0; i < 5; ++i) p.number_NT(i, 1) = NAN;
  EXPECT_NE(message_of([&] { over_targets(metric("mae"), p, kNames); }, ErrorKind::Data).find("unknown of all 5 rows (target 'pr')"),
            std::string::npos);
  p.number_NT(0, 1) = 1;
  EXPECT_NE(message_of([&] { over_targets(metric("pearson"), p, kNames); }, ErrorKind::Data).find("(target 'pr')"), std::string::npos);
}

}  // namespace
}  // namespace eosin::eval
