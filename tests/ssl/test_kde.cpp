#include "core/base/error.h"
#include "ssl/kde.h"
#include "tests/gradcheck.h"

namespace eosin::ssl {
namespace {

TEST(Kde, IsTheMeanLogDensity) {
  // Two opposites and one between: cosines -1, 0, 0.
  const Tensor x = at::tensor({1.0, 0.0, -2.0, 0.0, 0.0, 3.0}, at::kDouble).view({3, 2});
  KdeShape shape;
  shape.weight = 1, shape.kappa = 2;
  const double side = std::log((std::exp(-2.0) + 1) / 2), middle = 0;
  EXPECT_NEAR(kde(x, shape).item<double>(), (2 * side + middle) / 3, 1e-12);
  shape.include_self = true, shape.normalize_count = false, shape.eps = 0.5;
  const double self = std::exp(2.0);
  EXPECT_NEAR(kde(x, shape).item<double>(), (2 * std::log(self + std::exp(-2.0) + 1 + 0.5) + std::log(self + 2 + 0.5)) / 3, 1e-12);
}

TEST(Kde, Gradients) {
  for (const double eps : {0.0, 0.1}) {
    KdeShape shape;
    shape.eps = eps;
    const Tensor x = at::randn({6, 5}, at::kDouble).requires_grad_();
    expect_gradients([&] { return kde(x, shape); }, {{"x", x}}, 30);
  }
}

TEST(Kde, TwoClusteredPointsRepel) {
  const Tensor x = at::tensor({1.0, 0.1, 1.0, -0.1}, at::kDouble).view({2, 2}).requires_grad_();
  kde(x).backward();
  EXPECT_LT(x.grad()[0][1].item<double>(), 0);  // a step against the gradient moves it up, away from the other
  EXPECT_GT(x.grad()[1][1].item<double>(), 0);
}

TEST(Kde, FiniteForDuplicatesAndAnySharpness) {
  KdeShape sharp;
  sharp.kappa = 1000;
  const Tensor x = at::ones({4, 3}).requires_grad_();
  const Tensor loss = kde(x, sharp);
  loss.backward();
  EXPECT_NEAR(loss.item<double>(), 0.05 * 1000, 1e-2);
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  EXPECT_THROW(kde(at::ones({1, 3})), Error);
}

}  // namespace
}  // namespace eosin::ssl
