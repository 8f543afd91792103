#include "core/base/error.h"
#include "ssl/koleo.h"
#include "tests/gradcheck.h"

namespace eosin::ssl {
namespace {

TEST(KoLeo, IsMinusTheMeanLogOfTheNearestDistance) {
  // On the unit circle at 0, 90 and 180 degrees: every nearest neighbour is at sqrt(2).
  const Tensor x = at::tensor({3.0, 0.0, 0.0, 2.0, -1.0, 0.0}, at::kDouble).view({3, 2});
  EXPECT_NEAR(koleo(x).loss.item<double>(), -std::log(std::sqrt(2.0)), 1e-6);
}

/// The reference takes each point of a pair of opposites for its own neighbour, at distance 0.
TEST(KoLeo, TwoOppositesAreEachOthersNeighbours) {
  const Tensor x = at::tensor({1.0, 0.0, -1.0, 0.0}, at::kDouble).view({2, 2});
  EXPECT_NEAR(koleo(x).loss.item<double>(), -std::log(2.0), 1e-6);
}

TEST(KoLeo, Gradients) {
  for (const int64_t topk : {1, 3}) {
    const Tensor x = at::randn({7, 5}, at::kDouble).requires_grad_();
    expect_gradients([&] { return koleo(x, topk).loss; }, {{"x", x}}, 35, 1e-5);
  }
}

TEST(KoLeo, DuplicatesAreLeftOutAndCounted) {
  Tensor x = at::randn({6, 5}, at::kDouble);
  x[4].copy_(x[1]);
  EXPECT_GT(koleo(x).loss.item<double>(), 4);  // two of six terms are about 18
  x.requires_grad_();
  const KoLeo k = koleo(x, 1, 1e-4);
  EXPECT_EQ(k.left_out.item<int64_t>(), 2);
  EXPECT_LT(k.loss.item<double>(), 2);
  k.loss.backward();
  EXPECT_LT(x.grad().abs().max().item<double>(), 10);
  EXPECT_EQ(koleo(at::ones({4, 5}), 1, 1e-4).loss.item<double>(), 0);
}

TEST(KoLeo, DescentSpreadsTwoClusters) {
  const Tensor x = (at::randn({8, 3}, at::kDouble) * 0.05 + at::tensor({1.0, 0.0, 0.0}, at::kDouble)).requires_grad_();
  const double before = koleo(x).loss.item<double>();
  for (int i = 0; i < 50; ++i) {
    x.mutable_grad() = Tensor();
    koleo(x).loss.backward();
    const at::NoGradGuard no_grad;
    x.sub_(x.grad() * 0.05);
  }
  EXPECT_LT(koleo(x).loss.item<double>(), before - 1);
}

TEST(KoLeo, NeedsMoreRowsThanNeighbours) {
  EXPECT_THROW(koleo(at::ones({1, 3})), Error);
  EXPECT_THROW(koleo(at::ones({3, 3}), 3), Error);
  EXPECT_EQ(koleo(at::randn({4, 3}).to(at::kBFloat16)).loss.scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace eosin::ssl
