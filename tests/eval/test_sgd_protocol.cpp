#include "core/base/error.h"
#include "core/nn/init.h"
#include "data/sampler.h"
#include "eval/evaluation.h"
#include "eval/sgd_protocol.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace eosin::eval {
namespace {

/// Three classes; only the third of five equal parts of a row (the class token of the last block but one) tells them apart.
LabelledSet tokens(int64_t n, uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  LabelledSet s;
  s.features_ND = at::randn({n, 15}, generator);
  s.classes = {"a", "b", "c"};
  s.grouped = true;
  for (int64_t i = 0; i < n; ++i) {
    s.ids.push_back(std::to_string(i));
    s.group.push_back(i / 3);
    s.groups.push_back("patient" + std::to_string(i));
    s.target.push_back(i / 3 % 3);
    s.features_ND[i][6 + s.target.back()] += 4;
  }
  return s;
}

SgdProtocol short_one() {
  SgdProtocol p;
  p.inputs = "last4";
  p.rates = {1e-6, 0.1};
  p.iterations = 200;
  p.batch_size = 32;
  return p;
}

TEST(SgdProtocol, ChoosesInputAndRateOnTrainingPatients) {
  const LabelledSet train = tokens(150, 1), test = tokens(60, 2);
  const ProtocolResult r = run_sgd(short_one(), train, test);
  EXPECT_EQ(r.fit["input"], "last4");  // the last token alone knows nothing; the smaller of two that know the same comes second
  EXPECT_EQ(r.fit["rate"], 0.1);
  EXPECT_EQ(r.fit["validation_rows"], 30);
  EXPECT_EQ(r.fit["validation_accuracy_by_rate"].size(), 4U);
  int64_t hits = 0;
  for (size_t i = 0; i < 60; ++i) hits += r.predictions.pred[i] == test.target[i];
  EXPECT_GT(hits, 54);
}

TEST(SgdProtocol, ValidationRowsOfTheLabelsChoose) {
  LabelledSet train = tokens(150, 1);
  for (int64_t i = 0; i < 150; ++i) train.part.push_back(i < 120 ? 0 : 1);
  const ProtocolResult r = run_sgd(short_one(), train, tokens(30, 2));
  EXPECT_EQ(r.fit["chosen_by"], "accuracy on the validation rows");
  EXPECT_EQ(r.fit["validation_rows"], 30);
}

/// Two steps of one head written out.
TEST(SgdProtocol, StepsAreSgdWithMomentumAndACosine) {
  LabelledSet train = tokens(36, 3), test = tokens(9, 4);
  for (int64_t i = 0; i < 36; ++i) train.part.push_back(i < 27 ? 0 : 1);
  SgdProtocol p;
  p.rates = {0.5};
  p.iterations = 2;
  p.batch_size = 5;
  p.start_seed = 7;
  Tensor w = at::empty({3, 15}, at::kFloat), b = at::zeros({3}, at::kDouble);
  nn::init_normal(w, 0.01, 7, "linear_sgd.whole");
  w = w.to(at::kDouble);
  Tensor vw = at::zeros_like(w), vb = at::zeros_like(b);
  const data::Permutation order(27, 7, 0);
  for (int t = 0; t < 2; ++t) {
    Tensor gw = at::zeros_like(w), gb = at::zeros_like(b);
    for (int64_t k = 0; k < 5; ++k) {
      const auto row = static_cast<int64_t>(order(static_cast<uint64_t>(5 * t + k)));
      const Tensor x = train.features_ND[row].to(at::kDouble);
      Tensor e = at::softmax(w.mv(x) + b, 0);
      e[train.target[static_cast<size_t>(row)]] -= 1;
      gw += e.outer(x) / 5, gb += e / 5;
    }
    vw = 0.9 * vw + gw, vb = 0.9 * vb + gb;
    const double rate = 0.5 * 5 / 256 * 0.5 * (1 + std::cos(std::numbers::pi * t / 2));
    w = w - rate * vw, b = b - rate * vb;
  }
  const Tensor want = at::softmax(test.features_ND.to(at::kDouble).mm(w.t()) + b, 1);
  const Matrix got = run_sgd(p, train, test).predictions.prob_NC;
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t c = 0; c < 3; ++c) EXPECT_NEAR(got(i, c), want[i][c].item<double>(), 1e-6);
}

TEST(SgdProtocol, SameForAnyNumberOfThreads) {
  const LabelledSet train = tokens(60, 1), test = tokens(30, 2);
  const int before = at::get_num_threads();
  std::vector<std::vector<double>> prob;
  for (const char* inputs : {"last4", "whole"})
    for (int threads : {1, 3}) {
      SgdProtocol p = short_one();
      p.inputs = inputs;
      at::set_num_threads(threads);
      prob.push_back(run_sgd(p, train, test).predictions.prob_NC.values);
    }
  at::set_num_threads(before);
  EXPECT_EQ(prob[0], prob[1]);
  EXPECT_EQ(prob[2], prob[3]);
}

TEST(SgdProtocol, SaysWhatItCannotUse) {
  SgdProtocol p = short_one();
  LabelledSet s = tokens(30, 1);
  s.features_ND = s.features_ND.narrow(1, 0, 14);
  EXPECT_THAT(message_of([&] { run_sgd(p, s, s); }, ErrorKind::Data), testing::HasSubstr("embed with pooling=last4"));
  p.inputs = "whole";
  p.rates = {1e6};
  s.features_ND = s.features_ND * 1e30;
  EXPECT_THAT(message_of([&] { run_sgd(p, s, s); }, ErrorKind::Numeric), testing::HasSubstr("every head diverged"));
}

}  // namespace
}  // namespace eosin::eval
