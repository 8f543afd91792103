#include "core/base/error.h"
#include "eval/evaluation.h"
#include "eval/robustness.h"
#include "eval/robustness_protocol.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::eval {
namespace {

using testing::HasSubstr;

/// Two classes at two centres, six slides each of five tiles; the class moves the first feature, the centre the second.
LabelledSet tiles(double by_class, double by_center) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{2});
  LabelledSet s;
  s.features_ND = at::randn({120, 6}, generator).to(at::kDouble);
  s.classes = {"normal", "tumour"};
  s.sites = {"A", "B"};
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < 120; ++i) {
    const int64_t slide = i / 5;
    s.ids.push_back("tile" + std::to_string(i));
    s.group.push_back(slide);
    if (i % 5 == 0) s.groups.push_back("slide" + std::to_string(slide));
    s.target.push_back(slide % 2);
    s.site.push_back(slide / 2 % 2);
    s.features_ND[i][0] += by_class * (s.target.back() ? 1 : -1);
    s.features_ND[i][1] += by_center * (s.site.back() ? 1 : -1);
  }
  return s;
}

TEST(RobustnessProtocol, IsTheIndexWithAnInterval) {
  const LabelledSet s = tiles(2, 2);
  RobustnessProtocol p;
  p.k = 7;
  const ProtocolResult r = run_robustness(p, s);
  const RobustnessIndex want = robustness_index(s.features_ND, {s.target, s.site, s.group, {}}, 7);
  EXPECT_NEAR(*statistic_of(r.measures[0])({}), want.index.back(), 1e-12);
  EXPECT_NEAR(r.fit["same_class_other_site"].get<double>(), want.so.back(), 1e-12);
  EXPECT_GT(r.fit["slide_collapse"]["lift"].get<double>(), 0);
  EXPECT_NEAR(r.fit["balanced_accuracy_by_k"][0][1].get<double>(), want.knn_balanced_accuracy[0], 1e-12);

  EvaluationConfig c;
  c.protocol.select("robustness");
  c.bootstrap = 50;
  const Evaluation e = evaluate(s, c);
  const auto m = short_metrics(e.results)["robustness_index"];
  EXPECT_LT(m["ci_low"].get<double>(), m["mean"].get<double>());
  EXPECT_GT(m["ci_high"].get<double>(), m["mean"].get<double>());
  EXPECT_EQ(e.results["metrics"][0]["folds"][0]["n"], 120);
}

TEST(RobustnessProtocol, FeaturesOfTheClassAreAboveThoseOfTheCentre) {
  const auto index = [](const LabelledSet& s) { return *statistic_of(run_robustness({.k = 0, .max_k = 21}, s).measures[0])({}); };
  EXPECT_GT(index(tiles(4, 0)), 0.9);
  EXPECT_LT(index(tiles(0, 4)), 0.1);
}

TEST(RobustnessProtocol, ChoosesTheSmallestOfTheBestNumbersOfNeighbours) {
  const ProtocolResult r = run_robustness({.k = 0, .max_k = 10000}, tiles(8, 0));  // every number is right
  EXPECT_EQ(r.fit["k"], 1);
  const auto& tried = r.fit["balanced_accuracy_by_k"];
  EXPECT_EQ(tried[5][0], 11);
  EXPECT_EQ(tried[6][0], 21);
  EXPECT_EQ(tried.back()[0], 111);  // 115 rows are of other slides
}

TEST(RobustnessProtocol, NeedsSitesAndNeighbours) {
  LabelledSet none = tiles(1, 1), alone = tiles(1, 1);
  none.site.clear(), none.sites.clear();
  alone.group.assign(120, 0);
  EXPECT_THAT(message_of([&] { run_robustness({}, none); }, ErrorKind::Data), HasSubstr("columns.site"));
  EXPECT_THAT(message_of([&] { run_robustness({}, alone); }, ErrorKind::Data), HasSubstr("0 rows of other groups"));
  EXPECT_THAT(message_of([&] { run_robustness({.k = 116}, tiles(1, 1)); }, ErrorKind::Data), HasSubstr("need 116"));
}

}  // namespace
}  // namespace eosin::eval
