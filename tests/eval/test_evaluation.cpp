#include "core/base/csv.h"
#include "core/base/error.h"
#include "eval/audit.h"
#include "eval/evaluation.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace eosin::eval {
namespace {

/// Three classes in clouds, two rows a group; the last third is test when `split`.
LabelledSet clouds(int64_t n, bool split) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{7});
  LabelledSet s;
  s.features_ND = at::randn({n, 5}, generator);
  s.classes = {"a", "b", "c"};
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < n; ++i) {
    s.ids.push_back("tile" + std::to_string(i));
    s.group.push_back(i / 2);
    s.target.push_back(i / 2 % 3);
    s.features_ND[i][s.target.back()] += 4;
    if (i % 2 == 0) s.groups.push_back("patient" + std::to_string(i / 2));
    if (split) s.part.push_back(i < n / 3 * 2 ? 0 : 2);
  }
  return s;
}

EvaluationConfig config_of(const std::string& protocol) {
  config::Source source;
  source.override_with("protocol.name=" + protocol);
  source.override_with("bootstrap=50");
  if (protocol == "linear_sgd") source.override_with("protocol.iterations=3000");
  EvaluationConfig c;
  config::read(source, c);
  return c;
}

TEST(Evaluation, FitsOnTrainAndScoresTestForEveryProtocol) {
  for (const auto& row : protocols()) {
    const config::Choice protocol = config_of(row.name).protocol;
    if (labels_of(protocol) != LabelKind::Class || measures_all_rows(protocol)) continue;
    const Evaluation e = evaluate(clouds(180, true), config_of(row.name));
    EXPECT_EQ(e.results["protocol"]["kind"], "honest");
    const auto m = short_metrics(e.results)["balanced_accuracy"];
    EXPECT_GT(m["mean"].get<double>(), 0.9) << row.name;
    EXPECT_LE(m["ci_low"].get<double>(), m["mean"].get<double>());
    EXPECT_EQ(CsvTable::parse(e.predictions_csv, "p").size(), 60U);
    EXPECT_EQ(e.results["curves"].size(), 2U * 3);  // ROC and precision-recall of each class
    double all = 0;
    for (const auto& share : e.results["reliability"]["fraction"]) all += share.get<double>();
    EXPECT_NEAR(all, 1, 1e-12);
  }
}

TEST(Evaluation, WithoutASplitEveryRowIsPredictedOnceByFoldsOfGroups) {
  const Evaluation e = evaluate(clouds(120, false), config_of("knn"));
  const CsvTable rows = CsvTable::parse(e.predictions_csv, "p");
  std::set<std::string> ids;
  for (size_t i = 0; i < rows.size(); ++i) ids.insert(rows.row(i)[rows.column("id")]);
  EXPECT_EQ(ids.size(), 120U);
  EXPECT_EQ(e.results["metrics"][0]["folds"].size(), 5U);
  EXPECT_FALSE(e.results["metrics"][0]["sd"].is_null());
}

TEST(Evaluation, ASplitThatLeaksIsRefusedNamingThePatientsAndAcceptedOnlyWithAReason) {
  LabelledSet s = clouds(90, true);
  s.part[59] = 2;  // patient29 is in train with its other row
  try {
    evaluate(s, config_of("knn"));
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
    EXPECT_NE(std::string(e.what()).find("patient29"), std::string::npos);
  }
  EvaluationConfig c = config_of("knn");
  c.accept_leak = {"as published"};
  const Evaluation e = evaluate(s, c);
  EXPECT_EQ(e.results["protocol"]["kind"], "leaking");
  EXPECT_NE(e.results["protocol"]["violations"][0].get<std::string>().find("as published"), std::string::npos);
}

TEST(Evaluation, AMetricWithoutAClassIsNullAndSaysWhy) {
  LabelledSet s = clouds(90, true);
  for (size_t i = 60; i < 90; ++i)
    if (s.target[i] == 2) s.target[i] = 1;
  EvaluationConfig c = config_of("knn");
  c.metrics = {"auroc_ovr_macro", "average_precision_macro"};
  const Evaluation e = evaluate(s, c);
  for (const auto& metric : e.results["metrics"]) {
    EXPECT_TRUE(metric["mean"].is_null()) << metric["name"];
    EXPECT_NE(metric["state"].get<std::string>().find("undefined"), std::string::npos) << metric["name"];
  }
  EXPECT_NE(e.results["metrics"][0]["state"].get<std::string>().find("class 2"), std::string::npos);
}

TEST(Evaluation, TheCostIsChosenInsideTheTrainingGroups) {
  config::Source source;
  source.override_with("protocol.name=linear");
  source.override_with("protocol.cost=group_folds");
  source.override_with("protocol.C_grid=[0.01,1]");
  EvaluationConfig c;
  config::read(source, c);
  c.bootstrap = 20;
  const Evaluation e = evaluate(clouds(180, true), c);
  const double C = e.results["protocol"]["fit"]["C"].get<double>();
  EXPECT_TRUE(C == 0.01 || C == 1);
}

TEST(Evaluation, SameResultsForAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Evaluation one = evaluate(clouds(120, true), config_of("linear"));
  at::set_num_threads(3);
  const Evaluation three = evaluate(clouds(120, true), config_of("linear"));
  at::set_num_threads(before);
  EXPECT_EQ(one.results.dump(), three.results.dump());
  EXPECT_EQ(one.predictions_csv, three.predictions_csv);
}

/// Six subjects in two folds; risks beside the fold's own cut.
std::vector<FoldResult> risks_of_folds() {
  std::vector<FoldResult> folds(2);
  for (size_t f = 0; f < 2; ++f) {
    folds[f].fold = static_cast<int64_t>(f);
    folds[f].risk_cut = f == 0 ? 0.0 : 10.0;
    Predictions& p = folds[f].result.predictions;
    p.num_classes = 2;
    for (int64_t i = 0; i < 3; ++i) {
      folds[f].rows.push_back(3 * static_cast<int64_t>(f) + i);
      p.target.push_back(1);
      p.time.push_back(static_cast<double>(3 - i) + static_cast<double>(f));
      p.risk.push_back(10 * static_cast<double>(f) + static_cast<double>(i - 1));  // below, at and above the cut
    }
  }
  return folds;
}

TEST(Scoring, RisksAreHighOrLowBesideTheCutOfTheirOwnFold) {
  LabelledSet set;
  set.classes = {"censored", "event"};
  for (int64_t i = 0; i < 6; ++i) {
    set.ids.push_back(std::to_string(i)), set.groups.push_back(set.ids.back());
    set.group.push_back(i), set.target.push_back(1);
  }
  ScoringConfig config;
  config.metrics = {"c_index"};
  config.bootstrap = 10;
  auto folds = risks_of_folds();
  const auto survival = score_folds(set, folds, config)["survival"];
  ASSERT_EQ(survival["groups"].size(), 2U);
  EXPECT_EQ(survival["groups"][0]["n"], 4);  // a risk at the cut is low
  EXPECT_EQ(survival["groups"][1]["time"], (std::vector<double>{0, 1, 2}));
  EXPECT_EQ(survival["groups"][1]["survival"], (std::vector<double>{1, 0.5, 0}));
  EXPECT_TRUE(survival["logrank"]["p"].is_number());
  auto twice = folds;  // what is predicted twice counts once
  twice.push_back(folds[0]);
  EXPECT_EQ(score_folds(set, twice, config)["survival"], survival);
  folds[1].risk_cut.reset();
  EXPECT_FALSE(score_folds(set, folds, config).contains("survival"));
}

TEST(Evaluation, UnknownMetricsAreAConfigErrorWithASuggestion) {
  config::Source source;
  source.override_with("metrics=[auroc_ovr_macr]");
  EvaluationConfig c;
  try {
    config::read(source, c);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("auroc_ovr_macro"), std::string::npos);
  }
}

FeatureTable table_of(std::vector<std::string> ids) {
  FeatureTable t;
  t.features_ND = at::arange(static_cast<int64_t>(ids.size()), at::kFloat).unsqueeze(1);
  t.ids = std::move(ids);
  t.unit = "tile";
  return t;
}

LabelledSet joined(std::vector<std::string> ids, const std::string& csv) {
  return join_labels(table_of(std::move(ids)), read_labels(CsvTable::parse(csv, "l.csv"), {}));
}

TEST(Labels, JoinByIdThenWithoutExtensionThenByFileName) {
  EXPECT_EQ(joined({"a/1.png", "a/2.png"}, "file,class\na/2.png,x\na/1.png,y\n").features_ND[0].item<float>(), 1);
  EXPECT_EQ(joined({"a/1", "a/2"}, "path,label\na/2.jpeg,x\na/1.jpeg,y\n").features_ND[0].item<float>(), 1);
  EXPECT_EQ(joined({"1", "2"}, "id,label,group,split\nx/2.svs,10,g,train\nx/1.svs,9,h,test\n").classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(joined({"1", "2", "3"}, "id,label\n2,x\n1,y\n").unlabelled, 1);
}

TEST(Labels, EndingsAndFoldersMayDiffer) {
  const auto row_of = [](std::vector<std::string> ids, const std::string& id) {
    ids.emplace_back("other");
    return joined(std::move(ids), "id,label\n" + id + ",x\nother,y\n").features_ND[0].item<float>();
  };
  for (const char* label : {"slide", "slide.svs", "slide.SVS", "slide.h5"})
    for (const char* features : {"slide", "slide.h5", "slide.pt"}) EXPECT_EQ(row_of({"slide2", features}, label), 1) << label << " " << features;
  // the second part of a TCGA name is none
  EXPECT_EQ(row_of({"TCGA-3C-DX1.F6E9", "TCGA-3C-DX1.A0B1"}, "TCGA-3C-DX1.A0B1.svs"), 1);
  EXPECT_EQ(joined({"f/1.h5", "f/2.h5"}, "id,label\n/data/2.svs,x\n/data/1.svs,y\n").features_ND[0].item<float>(), 1);
  // one found as written: another folder's picture of the same name is not meant
  EXPECT_THROW(joined({"a/1.png", "a/2.png"}, "id,label\na/2.png,x\nb/1.png,y\n"), Error);
}

TEST(Labels, WhatSeveralFeaturesFitIsNamed) {
  const auto refusal = [](std::vector<std::string> ids, const std::string& csv) {
    return message_of([&] { joined(std::move(ids), csv); }, ErrorKind::Data);
  };
  EXPECT_EQ(refusal({"a/1.h5", "b/1.h5", "2.h5"}, "id,label\nx/1.svs,x\nx/2.svs,y\n"),
            "[l.csv:2] 'x/1.svs' may mean the features 'a/1.h5' or 'b/1.h5'; write the id as the features have it");
  EXPECT_THAT(refusal({"1.h5", "1.pt", "2"}, "id,label\n2,y\n1.svs,x\n"), testing::HasSubstr("'1.h5' or '1.pt'"));
  EXPECT_THAT(refusal({"1", "2"}, "id,label\n1.svs,y\n1.tif,x\n"), testing::HasSubstr("'1.svs' and '1.tif' mean the same features"));
  EXPECT_EQ(joined({"a/1.h5", "b/1.h5", "2.h5"}, "id,label\na/1.svs,x\n2,y\n").unlabelled, 1);
}

TEST(Labels, RefuseWhatDoesNotFit) {
  EXPECT_THROW(joined({"1"}, "id,label\n2,x\n"), Error);                         // nothing in common
  EXPECT_THROW(joined({"1", "2"}, "id,label\n1,x\n3,y\n"), Error);               // a label without features
  EXPECT_THROW(joined({"1", "2"}, "id,label\n1,x\n2,\n"), Error);                // an empty label
  EXPECT_THROW(joined({"1", "2"}, "id,label\n1,x\n1,y\n"), Error);               // an id twice
  EXPECT_THROW(joined({"1", "2"}, "id,label,split\n1,x,train\n2,y,\n"), Error);  // a split for some rows
  EXPECT_THROW(joined({"1", "2"}, "id,label,split\n1,x,train\n2,y,dev\n"), Error);
  EXPECT_THROW(joined({"1", "2"}, "name,label\n1,x\n2,y\n"), Error);  // no ids
}

TEST(Audit, FindsEqualFeaturesAndIdsThatDifferInCase) {
  LabelledSet s = clouds(12, true);
  s.features_ND[11].copy_(s.features_ND[0]);
  s.ids[10] = "TILE1.png";
  int warnings = 0;
  for (const auto& row : audit(s)) warnings += row.state == "warning";
  EXPECT_EQ(warnings, 3);  // those two, and class b, which four test rows cannot hold
}

}  // namespace
}  // namespace eosin::eval
