#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "eval/evaluation.h"
#include "eval/report.h"
#include "eval/run_comparison.h"
#include "tests/message_of.h"
#include "tests/temporary_folder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace eosin::eval {
namespace {

using testing::HasSubstr;

/// Two classes apart by `apart`; two rows a group, the second half is test.
LabelledSet sides(double apart, int64_t n = 200) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{3});
  LabelledSet s;
  s.features_ND = at::randn({n, 3}, generator);
  s.classes = {"benign", "malignant"};
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < n; ++i) {
    s.ids.push_back("tile" + std::to_string(i));
    s.group.push_back(i / 2);
    s.target.push_back(i / 2 % 2);
    if (i % 2 == 0) s.groups.push_back("patient" + std::to_string(i / 2));
    s.part.push_back(i < n / 2 ? 0 : 2);
    s.features_ND[i][0] += apart * (s.target.back() ? 1 : -1);
  }
  return s;
}

class Compare : public testing::Test {
 protected:
  std::string evaluated(const std::string& name, const LabelledSet& set, const char* protocol = "knn") {
    EvaluationConfig c;
    c.protocol.select(protocol);
    c.bootstrap = 20;
    const Evaluation e = evaluate(set, c);
    const std::string dir = folder_ / name;
    std::filesystem::create_directories(dir);
    write_file(dir + "/results.json", e.results.dump());
    write_file(dir + "/predictions.csv", e.predictions_csv);
    return dir;
  }
  nlohmann::ordered_json compared(const std::vector<std::string>& dirs, std::vector<std::string> metrics = {}) {
    std::vector<ScoredRun> runs;
    for (const auto& dir : dirs) runs.push_back(read_scored_run(dir));
    ComparisonConfig c;
    c.metrics = std::move(metrics);
    c.bootstrap = 200;
    return compare_runs(runs, c);
  }
  std::string refusal(const std::vector<std::string>& dirs) {
    return message_of([&] { compared(dirs); }, ErrorKind::Data);
  }
  TemporaryFolder folder_;
};

TEST_F(Compare, TellsABetterRunFromAWorseByEveryTest) {
  const auto r = compared({evaluated("good", sides(2)), evaluated("bad", sides(0.3))}, {"accuracy", "auroc_ovr_macro"});
  ASSERT_EQ(r["comparisons"].size(), 4U);
  EXPECT_EQ(r["groups"], 50);
  std::vector<std::string> tests;
  for (const auto& t : r["comparisons"]) {
    tests.push_back(t["test"]);
    EXPECT_GT(t["difference"].get<double>(), 0.1);
    EXPECT_LT(t["p"].get<double>(), 0.05);
    EXPECT_EQ(t["p_adjusted"], t["p"]);  // a single pair
  }
  EXPECT_EQ(tests, (std::vector<std::string>{"paired_bootstrap", "mcnemar_corrected", "paired_bootstrap", "delong"}));
  EXPECT_NEAR(r["comparisons"][0]["difference"].get<double>(), r["comparisons"][1]["difference"].get<double>(), 1e-12);
  EXPECT_NEAR(r["comparisons"][2]["difference"].get<double>(), r["comparisons"][3]["difference"].get<double>(), 1e-12);
  EXPECT_GT(r["comparisons"][0]["ci_low"].get<double>(), 0);
  EXPECT_EQ(r["notes"].size(), 1U);  // rows of a patient are not independent
}

TEST_F(Compare, ARunDoesNotDifferFromItselfAndPairsAreAdjustedTogether) {
  const std::string a = evaluated("a", sides(1)), b = evaluated("b", sides(1)), c = evaluated("c", sides(0.3), "linear");
  const auto r = compared({a, b, c}, {"accuracy"});
  ASSERT_EQ(r["comparisons"].size(), 6U);
  EXPECT_EQ(r["comparisons"][0]["difference"], 0);
  EXPECT_EQ(r["comparisons"][0]["p"], 1);
  EXPECT_EQ(r["comparisons"][1]["p"], 1);
  EXPECT_EQ(r["comparisons"][2]["tests"], 3);
  EXPECT_NEAR(r["comparisons"][2]["p_adjusted"].get<double>(), std::min(1.0, 3 * r["comparisons"][2]["p"].get<double>()), 1e-12);
}

TEST_F(Compare, WhatIsReadBackScoresAsItDid) {
  const std::string dir = evaluated("run", sides(1));
  const ScoredRun run = read_scored_run(dir);
  const auto results = nlohmann::ordered_json::parse(read_file(dir + "/results.json"));
  for (const auto& m : results["metrics"])
    EXPECT_NEAR(*metric(m["name"]).make(std::make_shared<Predictions>(run.predictions))({}), m["mean"].get<double>(), 1e-12) << m["name"];
}

TEST_F(Compare, OtherRowsGroupsTruthsOrClassesAreRefused) {
  const std::string a = evaluated("a", sides(1));
  LabelledSet fewer = sides(1), moved = sides(1), other = sides(1), named = sides(1);
  fewer.part[150] = 0, fewer.part[151] = 0;
  moved.groups[75] = "patient-x";
  other.target[150] = 1 - other.target[150], other.target[151] = 1 - other.target[151];
  named.classes[1] = "cancer";
  EXPECT_THAT(refusal({a, evaluated("fewer", fewer)}), HasSubstr("'tile150' is in " + a + " alone (100 and 98 rows)"));
  EXPECT_THAT(refusal({a, evaluated("moved", moved)}), HasSubstr("'tile150' is of group 'patient75'"));
  EXPECT_THAT(refusal({a, evaluated("other", other)}), HasSubstr("the truth of 'tile150' differs"));
  EXPECT_THAT(refusal({a, evaluated("named", named)}), HasSubstr("benign, cancer"));
  EXPECT_THROW(compared({a}), Error);
  EXPECT_THROW(compared({a, a}, {"pearson"}), Error);  // none of the metrics fits
}

TEST_F(Compare, DamagedAndForeignRunsAreNamed) {
  const std::string a = evaluated("a", sides(1));
  const auto with = [&](const std::string& name, const std::string& csv) {
    const std::string dir = folder_ / name;
    std::filesystem::create_directories(dir);
    write_file(dir + "/results.json", read_file(a + "/results.json"));
    write_file(dir + "/predictions.csv", csv);
    return refusal({dir, a});
  };
  const std::string head = "fold,id,group,target,prediction,p_benign,p_malignant\n";
  EXPECT_THAT(with("none", head), HasSubstr("there are no rows"));
  EXPECT_THAT(with("mil", "model,bag,p_benign\nm,b,1\n"), HasSubstr("no single test set"));
  EXPECT_THAT(with("twice", head + "0,x,g,benign,benign,1,0\n0,x,g,benign,benign,1,0\n"), HasSubstr("id 'x' was scored twice"));
  EXPECT_THAT(with("text", head + "0,x,g,benign,benign,1,low\n"), HasSubstr("'p_malignant' is no number (got 'low')"));
  EXPECT_THAT(with("class", head + "0,x,g,tumour,benign,1,0\n"), HasSubstr("'tumour' is none of the classes"));
  EXPECT_THROW(read_scored_run(folder_ / "absent"), Error);
}

TEST_F(Compare, TheReportHoldsTheTests) {
  const std::string a = evaluated("a", sides(2)), b = evaluated("b", sides(0.3));
  const std::string page = report_html({read_run(a), read_run(b)}, compared({a, b}, {"auroc_ovr_macro"}));
  EXPECT_THAT(page, HasSubstr("Paired differences"));
  EXPECT_THAT(page, HasSubstr("delong"));
}

}  // namespace
}  // namespace eosin::eval
