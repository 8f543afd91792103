#include "optim/adamw.h"

#include "core/base/error.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::optim {
namespace {

/// Parameters of all ranks that must work, and a gradient for each step that does not depend on a random generator.
struct Toy {
  std::vector<std::string> names = {"scalar", "empty", "one", "bias", "matrix", "last_layer.weight"};
  std::vector<Tensor> params;
  Toy() {
    const std::vector<std::vector<int64_t>> shapes = {{}, {0}, {1}, {7}, {3, 5}, {2, 3}};
    for (const auto& s : shapes) params.push_back(at::arange(at::zeros(s).numel(), at::kFloat).reshape(s) * 0.1);
  }
  std::vector<ParamGroup> groups() const {
    std::vector<std::pair<std::string, Tensor>> named;
    for (size_t i = 0; i < names.size(); ++i) named.emplace_back(names[i], params[i]);
    return group_params(named, dino_rule(), "");
  }
  void gradients(int step) {
    for (auto& p : params) p.mutable_grad() = (p.detach() - 0.3 * (step + 1)).cos();
  }
};

void run(Toy& toy, AdamW& rule, int from, int to, bool frozen = false) {
  for (int step = from; step < to; ++step) {
    toy.gradients(step);
    rule.step({0.01, 0.1, frozen});
  }
}

AdamWConfig amsgrad() {
  AdamWConfig config;
  config.amsgrad = true;
  return config;
}

TEST(AdamW, ResumedEqualsUninterruptedBitForBit) {
  Toy whole, half;
  AdamW a(amsgrad(), whole.groups());
  run(whole, a, 0, 6);
  AdamW b(amsgrad(), half.groups());
  run(half, b, 0, 3);
  AdamW c(amsgrad(), half.groups());
  c.load_state(b.state());
  run(half, c, 3, 6);
  for (size_t i = 0; i < whole.params.size(); ++i) EXPECT_TRUE(at::equal(whole.params[i], half.params[i])) << whole.names[i];
}

/// In the update's own pass or after it: the same bits. A frozen parameter is followed all the same.
TEST(AdamW, MovesTheAveragesThatFollowItsParameters) {
  Toy with, without;
  std::vector<Tensor> fused, separate;
  for (const Tensor& p : with.params) fused.push_back(p + 1), separate.push_back(p + 1);
  AdamW a({}, with.groups()), b({}, without.groups()), nothing({}, {});
  a.add_averages(follow(fused, with.params));
  nothing.add_averages(follow(separate, without.params));
  for (int step = 0; step < 4; ++step) {
    with.gradients(step), without.gradients(step);
    const Rates rates{0.01, 0.1, step < 2, 0.9};
    a.step(rates), b.step(rates), nothing.step(rates);
    EXPECT_EQ(a.state().tensors.count("last_layer.weight/exp_avg"), step < 2 ? 0u : 1u);
  }
  for (size_t i = 0; i < fused.size(); ++i) {
    EXPECT_TRUE(with.params[i].equal(without.params[i])) << with.names[i];
    EXPECT_TRUE(fused[i].equal(separate[i])) << with.names[i];
    if (fused[i].numel() > 0) EXPECT_LT((fused[i] - with.params[i]).abs().max().item<double>(), 0.7) << with.names[i];
  }
}

TEST(AdamW, LoadedStateIsACopy) {
  Toy toy;
  AdamW a({}, toy.groups());
  run(toy, a, 0, 1);
  AdamW b({}, toy.groups());
  b.load_state(a.state());
  const Tensor before = b.state().tensors.at("matrix/exp_avg").clone();
  run(toy, a, 1, 2);
  EXPECT_TRUE(at::equal(b.state().tensors.at("matrix/exp_avg"), before));
}

TEST(AdamW, ParametersWithoutGradientAndFrozenOnesKeepNoState) {
  Toy toy;
  AdamW rule({}, toy.groups());
  const Tensor last = toy.params[5].clone();
  toy.gradients(0);
  toy.params[4].mutable_grad() = Tensor();
  rule.step({0.01, 0.1, true});
  EXPECT_TRUE(at::equal(toy.params[5], last));
  EXPECT_EQ(rule.state().tensors.count("matrix/exp_avg"), 0u);
  EXPECT_EQ(rule.state().tensors.count("last_layer.weight/exp_avg"), 0u);
  EXPECT_EQ(rule.state().tensors.count("bias/exp_avg"), 1u);
}

TEST(AdamW, GradientsAreOnlyRead) {
  Toy toy;
  AdamW rule({}, toy.groups());
  toy.gradients(0);
  const Tensor grad = toy.params[4].grad().clone();
  rule.step({0.01, 0.1});
  EXPECT_TRUE(at::equal(toy.params[4].grad(), grad));
}

void expect_refused(AdamW& rule, const State& state, ErrorKind kind, const char* what) {
  EXPECT_THAT(message_of([&] { rule.load_state(state); }, kind), testing::HasSubstr(what));
}

TEST(AdamW, RefusesTheStateOfAnotherRuleModelOrShape) {
  Toy toy;
  AdamW rule({}, toy.groups());
  run(toy, rule, 0, 1);
  State other = rule.state();
  other.values["rule"] = "sgd";
  expect_refused(rule, other, ErrorKind::Config, "'sgd'");
  other = rule.state();
  other.values["steps"]["stranger"] = 1;
  expect_refused(rule, other, ErrorKind::Data, "'stranger'");
  other = rule.state();
  other.tensors["matrix/exp_avg"] = at::zeros({5, 3});
  expect_refused(rule, other, ErrorKind::Shape, "matrix/exp_avg");
}

}  // namespace
}  // namespace eosin::optim
