#include "core/base/error.h"
#include "eval/evaluation.h"
#include "eval/report.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::eval {
namespace {

using testing::HasSubstr;

/// Two classes apart along the first feature; three sites of 24 rows, four rows a patient.
LabelledSet three_sites() {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{11});
  LabelledSet s;
  s.features_ND = at::randn({72, 4}, generator);
  s.classes = {"a", "b"};
  s.sites = {"Basel", "Graz", "Oslo"};
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < 72; ++i) {
    s.ids.push_back("tile" + std::to_string(i));
    s.group.push_back(i / 4);
    if (i % 4 == 0) s.groups.push_back("patient" + std::to_string(i / 4));
    s.target.push_back(i / 4 % 2);
    s.site.push_back(i / 24);
    s.features_ND[i][0] += 2 * (s.target.back() ? 1 : -1);
  }
  return s;
}

EvaluationConfig config_of(const std::vector<std::string>& overrides) {
  config::Source source;
  for (const auto& o : overrides) source.override_with(o);
  source.override_with("bootstrap=50");
  EvaluationConfig c;
  config::read(source, c);
  return c;
}

TEST(Conditions, TheSameModelsAreScoredOnChangedRowsBesideThePlainFigure) {
  const LabelledSet s = three_sites();
  Tensor weaker = s.features_ND.clone();
  weaker.select(1, 0).mul_(-0.1);  // the first feature misleads
  const Evaluation e =
      evaluate(s, config_of({"protocol.name=linear", "metrics=[accuracy,auroc_ovr_macro]", "folds=3"}), {{"same", s.features_ND}, {"pale", weaker}});
  const auto& accuracy = e.results["conditions"][0];
  EXPECT_EQ(accuracy["metric"], "accuracy");
  EXPECT_EQ(accuracy["plain"], e.results["metrics"][0]["pooled"]["value"]);
  EXPECT_EQ(accuracy["max"], accuracy["plain"]);
  EXPECT_EQ(accuracy["conditions"][0]["difference"], 0);
  EXPECT_EQ(accuracy["conditions"][1]["name"], "pale");
  EXPECT_EQ(accuracy["conditions"][1]["value"], accuracy["min"]);
  EXPECT_LT(accuracy["conditions"][1]["ci_high"].get<double>(), 0);
  EXPECT_NEAR(accuracy["amplitude"].get<double>(), accuracy["max"].get<double>() - accuracy["min"].get<double>(), 0.1);
  RunRecord run;
  run.results = e.results;
  EXPECT_THAT(report_html({run}), HasSubstr("Under other conditions"));
}

TEST(Conditions, AMetricThatIsUndefinedSaysWhy) {
  LabelledSet s = three_sites();
  for (int64_t i = 0; i < 72; ++i) {
    s.part.push_back(i < 48 ? 0 : 2);
    if (i >= 48) s.target[static_cast<size_t>(i)] = 0;
  }
  const Evaluation e = evaluate(s, config_of({"metrics=[auroc_ovr_macro,accuracy]"}), {{"same", s.features_ND}});
  EXPECT_THAT(e.results["conditions"][0]["state"].get<std::string>(), HasSubstr("undefined"));
  EXPECT_TRUE(e.results["conditions"][1]["plain"].is_number());
}

TEST(HoldOut, EverySiteTestsOnceByItsName) {
  LabelledSet s = three_sites();
  for (int64_t i = 0; i < 72; ++i) s.part.push_back(i < 4 ? 2 : 0);  // whatever the labels' own split
  const Evaluation e = evaluate(s, config_of({"hold_out=site", "metrics=[accuracy]", "protocol.k=5"}));
  const auto& folds = e.results["metrics"][0]["folds"];
  ASSERT_EQ(folds.size(), 3U);
  EXPECT_EQ(folds[1]["name"], "Graz");
  EXPECT_EQ(folds[1]["n"], 24);
  EXPECT_THAT(e.results["protocol"]["split"]["rule"].get<std::string>(), HasSubstr("every site"));
  RunRecord run;
  run.results = e.results;
  EXPECT_THAT(report_html({run}), HasSubstr("Graz"));
}

TEST(HoldOut, NeedsSitesAndPatientsThatAreAtOne) {
  const EvaluationConfig c = config_of({"hold_out=site"});
  LabelledSet none = three_sites(), moved = three_sites(), one = three_sites();
  none.site.clear(), none.sites.clear();
  moved.site[0] = 2;
  one.site.assign(72, 0), one.sites = {"Basel"};
  EXPECT_THAT(message_of([&] { evaluate(none, c); }, ErrorKind::Data), HasSubstr("columns.site"));
  EXPECT_THAT(message_of([&] { evaluate(one, c); }, ErrorKind::Data), HasSubstr("at least two (got 1)"));
  EXPECT_THAT(message_of([&] { evaluate(moved, c); }, ErrorKind::Data), HasSubstr("group 'patient0' is at Oslo and at Basel"));
  EXPECT_THROW(config_of({"hold_out=site", "protocol.name=robustness"}), Error);
}

}  // namespace
}  // namespace eosin::eval
