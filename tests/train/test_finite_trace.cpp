#include "train/finite_trace.h"

#include "tests/train/toy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::train {
namespace {

using testing::HasSubstr;

/// Two linear layers with a softmax between them, and the trace of a pass.
struct FiniteTraceTest : testing::Test {
  Tensor x = at::ones({2, 3}), first = at::ones({5, 3}), second = at::ones({4, 5});
  TensorMap weights() const { return {{"task/objective/net.first.weight", first}, {"task/objective/net.second.weight", second}}; }
  Tensor pass(double scale = 1) const {
    const Tensor masked = at::zeros({2, 5}).masked_fill(at::eye(5, at::kBool).slice(0, 0, 2), -INFINITY);
    return at::linear(at::softmax(at::linear(x, first) * scale + masked, -1), second);
  }
  FiniteTrace trace(double scale = 1) const {
    FiniteTrace t(weights());
    t.watch([&] { pass(scale); });
    return t;
  }
};

TEST_F(FiniteTraceTest, NamesModulesInOrderAndPassesOverMasks) {
  const FiniteTrace t = trace(0.0);
  ASSERT_EQ(t.modules().size(), 2u);
  EXPECT_EQ(t.modules()[0].module, "net.first");
  EXPECT_EQ(t.modules()[1].module, "net.second");
  EXPECT_DOUBLE_EQ(t.modules()[0].largest_output, 3.0);
}

TEST_F(FiniteTraceTest, SaysWhoseWeightsInputOrOutputIsNotFinite) {
  x = at::randn({2, 3});
  second[1][2] = NAN;
  EXPECT_EQ(trace().fault(), "the weights of net.second are not finite");
  second.fill_(1);
  x[1][1] = INFINITY;
  EXPECT_EQ(trace().fault(), "the input of net.first is not finite");
  x.fill_(1);
  EXPECT_THAT(trace(2e38).fault(), HasSubstr("in or after net.first is not finite (its input is)"));
  EXPECT_THAT(trace(2e38).fault(), HasSubstr("aten::mul"));
}

TEST_F(FiniteTraceTest, AComparisonWithInfinityIsNoFault) {
  FiniteTrace t(weights());
  t.watch([&] { at::linear(x, first).to(at::kBFloat16).eq(INFINITY).any(); });
  t.watch([&] { at::logsumexp(pass(), 1); });
  EXPECT_EQ(t.fault(), "");
}

TEST_F(FiniteTraceTest, FindsAViewOfTheWeightsAndTheirCopies) {
  FiniteTrace t(weights());
  t.watch([&] { at::linear(x, first.slice(0, 2)).mul(at::linear(x.to(at::kBFloat16), second.slice(1, 0, 3).to(at::kBFloat16)).sum()); });
  ASSERT_EQ(t.modules().size(), 2u);
  EXPECT_EQ(t.modules()[0].module, "net.first");
}

TEST_F(FiniteTraceTest, ChangesNothingAndEnds) {
  const Tensor before = pass();
  Tensor watched;
  FiniteTrace t(weights());
  t.watch([&] { watched = pass(); });
  EXPECT_TRUE(watched.equal(before));
  second.fill_(NAN);
  pass();
  EXPECT_TRUE(t.modules()[1].weights_finite) << "operations after the watch do not count";
}

TEST_F(FiniteTraceTest, ExaminesTheNextStepOfARun) {
  toy::Run run(toy::config(4));
  run.trainer.run_until(2);
  const State before = toy::frozen(run.net->state());
  const FiniteTrace healthy = run.trainer.examine().trace;
  EXPECT_EQ(healthy.fault(), "");
  ASSERT_EQ(healthy.modules().size(), 2u);
  EXPECT_EQ(healthy.modules()[0].module, "body");
  EXPECT_GT(healthy.modules()[0].gradient_norm, 0.0);
  for (const auto& [name, tensor] : before.tensors) EXPECT_TRUE(tensor.equal(run.net->state().tensors.at(name))) << "moved " << name;

  run.net->poisoned_steps = {2};
  EXPECT_THAT(run.trainer.examine().trace.fault(), HasSubstr("aten::mul in or after last_layer"));
}

}  // namespace
}  // namespace eosin::train
