#include "ssl/vicreg.h"
#include "ssl/vicreg_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"

namespace eosin::ssl {
namespace {

VicregConfig config() {
  VicregConfig c;
  c.hidden_dim = 13, c.out_dim = 7;
  return c;
}
const MakeMethod kMake = maker<Vicreg>(config());

TEST(VicregLoss, Gradients) {
  const Tensor z0 = random_leaf(1, 7, 3), z1 = random_leaf(2, 7, 3);
  expect_gradients([&] { return vicreg_loss(z0, z1, {}).total(); }, {{"z0", z0}, {"z1", z1}});
}

/// Orthogonal columns of standard deviation above 1 that agree cost nothing; one point costs the variance term alone.
TEST(VicregLoss, EachTermHasItsZero) {
  const Tensor z = at::tensor({2., 2., 2., -2., -2., 2., -2., -2.}, at::kDouble).view({4, 2});
  EXPECT_EQ(vicreg_loss(z, z, {}).total().item<double>(), 0);
  const Tensor point = at::ones({4, 2}, at::kDouble);
  const VicregTerms collapsed = vicreg_loss(point, point, {});
  EXPECT_EQ(collapsed.invariance.item<double>(), 0);
  EXPECT_NEAR(collapsed.variance.item<double>(), 25 * (1 - 0.01), 1e-12);
  EXPECT_NEAR(vicreg_loss(z, z + 3, {}).invariance.item<double>(), 25 * 9, 1e-10);
  EXPECT_THAT(message_of([&] { vicreg_loss(z.slice(0, 0, 1), z.slice(0, 0, 1), {}); }, ErrorKind::Shape), testing::HasSubstr("over 1 row"));
}

TEST(Vicreg, TwoRanksEqualOne) { expect_two_ranks_equal_one(kMake, view_batch(1, 6)); }
TEST(Vicreg, ResumesBitForBit) { expect_resume_bit_for_bit(kMake); }

TEST(Vicreg, PartsAddUp) {
  const auto parts = logged_parts(kMake);
  EXPECT_NEAR(parts.at("invariance") + parts.at("variance") + parts.at("covariance"), parts.at("total"), 1e-10);
  EXPECT_GE(parts.at("embedding_spread"), 0);
  expect_needs_two_views(kMake);
}

TEST(Vicreg, LayersHaveTheirRates) { expect_layer_rates<Vicreg>(config()); }

}  // namespace
}  // namespace eosin::ssl
