#include "core/base/csv.h"
#include "core/base/error.h"
#include "eval/evaluation.h"
#include "eval/regression.h"
#include "eval/ridge_protocol.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::eval {
namespace {

/// Two numbers, linear in seven features but for some noise; three rows a group.
LabelledSet numbered(int64_t n, double noise, uint64_t seed = 5) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  LabelledSet s;
  s.features_ND = at::randn({n, 7}, generator).to(at::kDouble);
  const Tensor extra = at::randn({n, 2}, generator).to(at::kDouble);
  s.targets = {"GENE1", "GENE2"};
  s.number_NT = Matrix(n, 2);
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < n; ++i) {
    s.ids.push_back("spot" + std::to_string(i));
    s.group.push_back(i / 3);
    if (i % 3 == 0) s.groups.push_back("patient" + std::to_string(i / 3));
    s.target.push_back(0);
    const auto x = [&](int64_t d) { return s.features_ND[i][d].item<double>(); };
    s.number_NT(i, 0) = 50 + 2 * x(0) - x(3) + noise * extra[i][0].item<double>();
    s.number_NT(i, 1) = x(1) + noise * extra[i][1].item<double>();
  }
  return s;
}

EvaluationConfig ridge_config() {
  EvaluationConfig c;
  c.protocol.select("ridge");
  c.bootstrap = 50;
  return c;
}

TEST(RidgeProtocol, FindsWhatIsLinearAndTellsEveryTarget) {
  const Evaluation e = evaluate(numbered(90, 0.1), ridge_config());
  ASSERT_EQ(e.results["metrics"].size(), 4U);  // the default metrics of numbers
  const auto m = short_metrics(e.results);
  EXPECT_GT(m["pearson"]["mean"].get<double>(), 0.98);
  EXPECT_GT(m["r2"]["mean"].get<double>(), 0.95);
  EXPECT_LE(m["pearson"]["ci_low"].get<double>(), m["pearson"]["ci_high"].get<double>());
  ASSERT_EQ(e.results["targets"].size(), 2U);
  EXPECT_EQ(e.results["targets"][0]["name"], "GENE1");
  EXPECT_GT(e.results["targets"][1]["pearson"].get<double>(), 0.98);
  EXPECT_TRUE(e.results["targets"][1]["ci_low"].is_number());
  EXPECT_EQ(e.results["scatter"].size(), 2U);
  EXPECT_EQ(e.results["scatter"][0]["x"].size(), 90U);
  EXPECT_LT(m["mae"]["mean"].get<double>(), e.results["protocol"]["baselines"]["training_mean_mae"].get<double>());
  EXPECT_EQ(e.results["protocol"]["fit"][0]["components"], 7);  // of 256 that were asked for
  const CsvTable rows = CsvTable::parse(e.predictions_csv, "p");
  EXPECT_EQ(rows.header(), (std::vector<std::string>{"fold", "id", "group", "true_GENE1", "true_GENE2", "predicted_GENE1", "predicted_GENE2"}));
  EXPECT_EQ(rows.size(), 90U);
}

TEST(RidgeProtocol, TheInterceptMovesErrorsAndNoCorrelation) {
  RidgeProtocol with, without;
  without.intercept = false;
  const LabelledSet train = numbered(60, 1, 1), test = numbered(30, 1, 2);
  const Predictions a = run_ridge(with, train, test).predictions, b = run_ridge(without, train, test).predictions;
  EXPECT_NEAR(*metric("pearson").make(std::make_shared<Predictions>(a))({}), *metric("pearson").make(std::make_shared<Predictions>(b))({}), 1e-9);
  EXPECT_GT(*metric("r2").make(std::make_shared<Predictions>(a))({}), 0);
  EXPECT_LT(*metric("r2").make(std::make_shared<Predictions>(b))({}), 0);  // GENE1 is about 50
}

TEST(RidgeProtocol, ATargetThatIsConstantAmongTheTestRowsIsUndefinedAndNamed) {
  LabelledSet s = numbered(90, 0.1);
  for (int64_t i = 0; i < 90; ++i) s.part.push_back(i < 60 ? 0 : 2), s.number_NT(i, 1) = i < 60 ? s.number_NT(i, 1) : 3;
  const Evaluation e = evaluate(s, ridge_config());
  EXPECT_TRUE(e.results["metrics"][0]["mean"].is_null());
  EXPECT_THAT(e.results["metrics"][0]["state"].get<std::string>(), testing::HasSubstr("the target is constant (target 'GENE2')"));
  EXPECT_TRUE(e.results["targets"][0]["pearson"].is_number());
  EXPECT_TRUE(e.results["targets"][1]["pearson"].is_null());
}

TEST(RidgeProtocol, MetricsOfClassesDoNotFit) {
  EvaluationConfig c = ridge_config();
  c.metrics = {"accuracy"};
  EXPECT_THAT(message_of([&] { evaluate(numbered(30, 1), c); }, ErrorKind::Config), testing::HasSubstr("none of the metrics is of numbers"));
}

/// A measure of repeated rows is that of rows which count so often.
TEST(Regression, AWeightCountsARowThatOften) {
  const std::vector<double> count = {2, 1, 0, 3, 1, 2, 0};
  const Matrix truth = numbered(7, 1).number_NT, pred = numbered(7, 1, 9).number_NT;
  Matrix tied = pred;
  tied(0, 0) = tied(3, 0) = tied(4, 0);
  Matrix repeated[2] = {Matrix(0, 2), Matrix(0, 2)};
  for (int64_t i = 0; i < 7; ++i)
    for (int k = 0; k < static_cast<int>(count[static_cast<size_t>(i)]); ++k)
      for (const auto& [from, to] : {std::pair(&truth, &repeated[0]), {&tied, &repeated[1]}}) {
        to->values.insert(to->values.end(), from->row(i).begin(), from->row(i).end());
        ++to->rows;
      }
  const RegressionMetrics m = regression_metrics(repeated[0], repeated[1]);
  const auto mean = [](const std::vector<double>& v) { return (v[0] + v[1]) / 2; };
  EXPECT_NEAR(*pearson_statistic(truth, tied)(count), mean(m.pearson), 1e-12);
  EXPECT_NEAR(*spearman_statistic(truth, tied)(count), mean(m.spearman), 1e-12);
  EXPECT_NEAR(*r2_statistic(truth, tied)(count), mean(m.r2), 1e-12);
  EXPECT_NEAR(*mae_statistic(truth, tied)(count), mean(m.mae), 1e-12);
  const std::vector<double> one = {0, 4, 0, 0, 0, 0, 0};
  EXPECT_FALSE(pearson_statistic(truth, tied)(one).has_value());
  EXPECT_FALSE(spearman_statistic(truth, tied)(one).has_value());
  EXPECT_FALSE(r2_statistic(truth, tied)(one).has_value());
}

FeatureTable features_of(std::vector<std::string> ids) {
  FeatureTable t;
  t.features_ND = at::arange(static_cast<int64_t>(ids.size()), at::kFloat).unsqueeze(1);
  t.ids = std::move(ids);
  t.unit = "tile";
  return t;
}

LabelTable numbers_of(const std::string& csv, LabelColumns columns = {}) {
  return read_labels(CsvTable::parse(csv, "e.csv"), columns, LabelKind::Numbers);
}

TEST(NumberLabels, AreAllColumnsThatAreNothingElseOrThoseThatAreNamed) {
  const std::string csv = "id,A,patient,B,site,class\nx,1.5,p,-2e3,s,c\ny,0,q,7,s,d\n";
  const LabelledSet s = join_labels(features_of({"y", "x"}), numbers_of(csv));
  EXPECT_EQ(s.targets, (std::vector<std::string>{"A", "B"}));
  EXPECT_EQ(s.number_NT(0, 0), 1.5);
  EXPECT_EQ(s.number_NT(0, 1), -2000);
  EXPECT_EQ(s.features_ND[0].item<float>(), 1);
  EXPECT_TRUE(s.classes.empty());
  EXPECT_EQ(s.sites, (std::vector<std::string>{"s"}));
  LabelColumns named;
  named.targets = {"B"};
  EXPECT_EQ(numbers_of(csv, named).targets, (std::vector<std::string>{"B"}));
}

TEST(NumberLabels, WhatIsNoNumberIsNamed) {
  const auto refusal = [](const std::string& csv, LabelColumns columns = {}) {
    return message_of([&] { numbers_of(csv, columns); }, ErrorKind::Data);
  };
  EXPECT_THAT(refusal("id,A\nx,1\ny,high\n"), testing::HasSubstr("[e.csv:3] 'A' of 'y' is no number (got 'high')"));
  EXPECT_THAT(refusal("id,A\nx,\n"), testing::HasSubstr("got ''"));
  EXPECT_THAT(refusal("id,A\nx,nan\n"), testing::HasSubstr("got 'nan'"));
  EXPECT_THAT(refusal("id,group\nx,1\n"), testing::HasSubstr("no column of numbers"));
  LabelColumns named;
  named.targets = {"GENE2"};
  EXPECT_THAT(refusal("id,GENE1\nx,1\n", named), testing::HasSubstr("no column 'GENE2'; did you mean 'GENE1'"));
}

}  // namespace
}  // namespace eosin::eval
