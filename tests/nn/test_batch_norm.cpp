#include "core/base/error.h"
#include "core/nn/batch_norm.h"
#include "core/nn/weights.h"
#include "tests/message_of.h"
#include "tests/thread_ranks.h"

#include <gmock/gmock.h>
#include <torch/nn/modules/batchnorm.h>

#include <limits>

namespace eosin::nn {
namespace {

struct Pass {
  Tensor y, grad;
  TensorMap weights, gradients;
};

Tensor input(int64_t rows, int64_t dim) { return at::randn({rows, dim}, at::detail::createCPUGenerator(7), at::kDouble) * 3 + 2; }

/// One training step of a loss that treats every row differently.
Pass pass(BatchNorm& norm, const Tensor& x_ND, const Tensor& weight_ND) {
  Pass p;
  const Tensor x = x_ND.clone().requires_grad_();
  p.y = norm(x);
  (p.y.square() * weight_ND).sum().backward();
  p.grad = x.grad();
  p.weights = named_weights(*norm);
  for (const auto& item : norm->named_parameters()) p.gradients.emplace(item.key(), item.value().grad());
  return p;
}

BatchNorm make(int64_t dim, const std::shared_ptr<Comm>& comm) {
  BatchNorm norm(dim, comm);
  norm->to(at::kDouble);
  const at::NoGradGuard no_grad;
  norm->named_parameters()["weight"].copy_(at::linspace(0.5, 2, dim, at::kDouble));
  norm->named_parameters()["bias"].copy_(at::linspace(-1, 1, dim, at::kDouble));
  return norm;
}

TEST(BatchNorm, IsTorchsWithItsNames) {
  torch::nn::BatchNorm1d torchs(5);
  torchs->to(at::kDouble);
  BatchNorm ours = make(5, make_single_comm());
  load_weights(*torchs, named_weights(*ours));
  const Tensor x = input(7, 5);
  for (int64_t i = 0; i < 2; ++i) EXPECT_TRUE(ours(x).allclose(torchs(x), 1e-12, 1e-13));
  for (const auto& [name, t] : named_weights(*torchs)) EXPECT_TRUE(named_weights(*ours).at(name).allclose(t, 1e-12, 1e-13)) << name;
  ours->eval(), torchs->eval();
  EXPECT_TRUE(ours(x).allclose(torchs(x), 1e-12, 1e-13));
}

TEST(BatchNorm, OfImagesIsTorchsAndTheSameOnTwoRanks) {
  torch::nn::BatchNorm2d torchs(3);
  torchs->to(at::kDouble);
  BatchNorm ours = make(3, make_single_comm());
  load_weights(*torchs, named_weights(*ours));
  const Tensor x = at::randn({4, 3, 5, 7}, at::detail::createCPUGenerator(9), at::kDouble) * 2 + 1, weight = at::randn_like(x);
  const Pass whole = pass(ours, x, weight);
  EXPECT_TRUE(torchs(x).allclose(whole.y, 1e-12, 1e-13));
  std::vector<Pass> parts(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    BatchNorm norm = make(3, comm);
    parts[static_cast<size_t>(comm->rank())] = pass(norm, x.narrow(0, 2 * comm->rank(), 2), weight.narrow(0, 2 * comm->rank(), 2));
  });
  EXPECT_TRUE(at::cat({parts[0].y, parts[1].y}).allclose(whole.y, 1e-12, 1e-13));
  EXPECT_TRUE(at::cat({parts[0].grad, parts[1].grad}).allclose(whole.grad, 1e-10, 1e-12));
  for (const auto& [name, t] : named_weights(*torchs)) {
    EXPECT_TRUE(whole.weights.at(name).allclose(t, 1e-12, 1e-13)) << name;
    EXPECT_TRUE(parts[1].weights.at(name).allclose(t, 1e-12, 1e-13)) << name;
  }
}

TEST(BatchNorm, TwoRanksEqualOneWithAllRows) {
  constexpr int64_t kRows = 5, kDim = 3;
  const Tensor x = input(2 * kRows, kDim), weight = at::randn({2 * kRows, kDim}, at::detail::createCPUGenerator(8), at::kDouble);
  BatchNorm one = make(kDim, make_single_comm());
  const Pass whole = pass(one, x, weight);
  std::vector<Pass> parts(2);
  run_ranks(2, [&](const std::shared_ptr<Comm>& comm) {
    BatchNorm norm = make(kDim, comm);
    const int64_t first = comm->rank() * kRows;
    parts[static_cast<size_t>(comm->rank())] = pass(norm, x.narrow(0, first, kRows), weight.narrow(0, first, kRows));
  });
  EXPECT_TRUE(at::cat({parts[0].y, parts[1].y}).allclose(whole.y, 1e-12, 1e-13));
  EXPECT_TRUE(at::cat({parts[0].grad, parts[1].grad}).allclose(whole.grad, 1e-10, 1e-12));
  for (const auto& [name, g] : whole.gradients) EXPECT_TRUE((parts[0].gradients.at(name) + parts[1].gradients.at(name)).allclose(g, 1e-11)) << name;
  for (const auto& [name, t] : whole.weights) EXPECT_TRUE(parts[1].weights.at(name).allclose(t, 1e-12, 1e-13)) << name;
}

/// The step is skipped, but its forward pass has happened.
TEST(BatchNorm, ABatchThatIsNotFiniteDoesNotEnterTheRunningFigures) {
  Tensor x = input(6, 3);
  x[4][1] = std::numeric_limits<double>::quiet_NaN();
  for (const int ranks : {1, 2})
    run_ranks(ranks, [&](const std::shared_ptr<Comm>& comm) {
      BatchNorm norm = make(3, comm);
      const int64_t rows = 6 / ranks;
      norm(x.narrow(0, comm->rank() * rows, rows));
      const auto figures = named_weights(*norm);
      EXPECT_EQ(figures.at("running_mean")[1].item<double>(), 0);
      EXPECT_EQ(figures.at("running_var")[1].item<double>(), 1);
      EXPECT_NE(figures.at("running_mean")[0].item<double>(), 0);
      norm->eval();
      EXPECT_TRUE(norm(input(5, 3)).isfinite().all().item<bool>());
    });
}

TEST(BatchNorm, PlainHasNoParameters) {
  BatchNorm norm(4, make_single_comm(), BatchNormOptions{false});
  EXPECT_TRUE(norm->parameters().empty());
  const Tensor y = norm(at::randn({11, 4}) * 5 + 3);
  EXPECT_LT(y.mean(0).abs().max().item<double>(), 1e-5);
}

TEST(BatchNorm, OneRowAndWrongWidthAreErrors) {
  BatchNorm norm(4, make_single_comm());
  EXPECT_THAT(message_of([&] { norm(at::ones({1, 4})); }, ErrorKind::Shape), testing::HasSubstr("a batch of 1 row (need at least 2"));
  EXPECT_THAT(message_of([&] { norm(at::ones({3, 5})); }, ErrorKind::Shape), testing::HasSubstr("input of [3, 5] (need [N, 4]"));
  norm->eval();
  EXPECT_NO_THROW(norm(at::ones({1, 4})));
}

}  // namespace
}  // namespace eosin::nn
