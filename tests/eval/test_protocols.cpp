#include "core/base/error.h"
#include "eval/cluster_protocol.h"
#include "eval/evaluation.h"
#include "eval/prototype_protocol.h"
#include "eval/retrieval_protocol.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

/// Two classes on either side of a line with some overlap; rows of a group are together.
LabelledSet sides(int64_t n, uint64_t seed, double apart) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  LabelledSet s;
  s.features_ND = at::randn({n, 3}, generator);
  s.classes = {"a", "b"};
  s.grouped = true;
  s.unit = "tile";
  for (int64_t i = 0; i < n; ++i) {
    s.ids.push_back(std::to_string(seed) + "_" + std::to_string(i));
    s.group.push_back(i / 3);
    s.groups.push_back("patient" + std::to_string(i));
    s.target.push_back(i / 3 % 2);
    s.features_ND[i][0] += apart * (s.target.back() ? 1 : -1);
  }
  return s;
}

TEST(Protocols, MoreShotsAreMoreAccurate) {
  SimpleShotProtocol p;
  p.shots = {1, 16};
  p.episodes = 60;
  const ProtocolResult r = run_simpleshot(p, sides(120, 1, 1), sides(60, 2, 1));
  const auto median = [&](int i) { return r.fit["few_shot"][i]["balanced_accuracy"]["median"].get<double>(); };
  EXPECT_GT(median(1), median(0));
  for (int64_t i = 0; i < 60; ++i) EXPECT_NEAR(r.predictions.prob_NC(i, 0) + r.predictions.prob_NC(i, 1), 1, 1e-14);
  EXPECT_EQ(argmax_rows(r.predictions.prob_NC), r.predictions.pred);
  p.shots = {61};
  EXPECT_THROW(run_simpleshot(p, sides(120, 1, 1), sides(60, 2, 1)), Error);
}

TEST(Protocols, EpisodesAreTheSameForAnyNumberOfThreads) {
  SimpleShotProtocol p;
  p.shots = {2};
  p.episodes = 20;
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run_simpleshot(p, sides(60, 1, 1), sides(30, 2, 1)).fit;
  at::set_num_threads(3);
  const auto three = run_simpleshot(p, sides(60, 1, 1), sides(30, 2, 1)).fit;
  at::set_num_threads(before);
  EXPECT_EQ(one.dump(), three.dump());
}

TEST(Protocols, EveryOneRefusesAFeatureThatIsNotFinite) {
  for (const auto& row : protocols())
    for (int64_t bad : {10, 100}) {  // of training, of test
      LabelledSet s = sides(120, 3, 3);
      for (int64_t i = 0; i < 120; ++i) s.part.push_back(i < 60 ? 0 : 2);
      s.features_ND[bad][1] = NAN;
      EvaluationConfig c;
      c.protocol.select(row.name.c_str());
      if (labels_of(c.protocol) == LabelKind::Numbers) s.targets = {"number"}, s.number_NT = Matrix(120, 1, 0.5);
      c.bootstrap = 10;
      try {
        evaluate(s, c);
        ADD_FAILURE() << row.name;
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), ErrorKind::Data) << row.name << ": " << e.what();
      }
    }
}

TEST(Protocols, RetrievalTellsEveryMeasureWithItsInterval) {
  LabelledSet s = sides(120, 3, 3);
  for (int64_t i = 0; i < 120; ++i) s.part.push_back(i < 60 ? 0 : 2);
  EvaluationConfig c;
  c.protocol.select("retrieval");
  c.bootstrap = 50;
  const auto metrics = short_metrics(evaluate(s, c).results);
  for (const char* name : {"retrieval_acc@1", "retrieval_mv@3", "retrieval_mv_any_tie@5", "retrieval_map@5"}) {
    ASSERT_TRUE(metrics.contains(name)) << name;
    EXPECT_GT(metrics[name]["mean"].get<double>(), 0.9) << name;
    EXPECT_LE(metrics[name]["ci_low"].get<double>(), metrics[name]["mean"].get<double>()) << name;
  }
}

TEST(Protocols, RetrievalLeavesOutTheOwnPatient) {
  const LabelledSet s = sides(30, 4, 2);
  RetrievalProtocol p;
  p.k = {27};
  EXPECT_EQ(run_retrieval(p, s, s).measures[0].value.size(), 30U);
  p.k = {28};  // each row's patient has three rows
  EXPECT_THROW(run_retrieval(p, s, s), Error);
}

TEST(Protocols, ClustersThatAreClasses) {
  ClusterProtocol p;
  p.scaling = "none";
  p.starts = 2;
  const ProtocolResult r = run_clusters(p, sides(60, 5, 20), sides(30, 6, 20));
  EXPECT_EQ(r.fit["adjusted_rand_class"].get<double>(), 1);
  EXPECT_LT(r.fit["adjusted_rand_group"].get<double>(), 0.5);
  EXPECT_EQ(r.predictions.pred, r.predictions.target);
}

}  // namespace
}  // namespace eosin::eval
