#include "ssl/barlow_twins.h"
#include "ssl/barlow_twins_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"

namespace eosin::ssl {
namespace {

BarlowTwinsConfig config() {
  BarlowTwinsConfig c;
  c.hidden_dim = 13, c.out_dim = 7;
  return c;
}
const MakeMethod kMake = maker<BarlowTwins>(config());

TEST(BarlowTwinsLoss, GradientsAndInvariance) {
  const Tensor z0 = random_leaf(1, 7, 3), z1 = random_leaf(2, 7, 3);
  expect_gradients([&] { return barlow_twins_loss(z0, z1, 0.3); }, {{"z0", z0}, {"z1", z1}});
  const double loss = barlow_twins_loss(z0, z1, 0.3).item<double>();
  EXPECT_NEAR(barlow_twins_loss(z0 * 50 + 9, z1, 0.3).item<double>(), loss, 1e-4);
  EXPECT_NEAR(barlow_twins_loss(z1, z0, 0.3).item<double>(), loss, 1e-12);
}

/// Columns +-1 that are orthogonal: nothing is left of either term but what eps takes.
TEST(BarlowTwinsLoss, IndependentColumnsThatAgreeCostNothing) {
  const Tensor z = at::tensor({1., 1., 1., -1., -1., 1., -1., -1.}, at::kDouble).view({4, 2});
  EXPECT_NEAR(barlow_twins_loss(z, z, 1).item<double>(), 0, 1e-8);
  EXPECT_NEAR(barlow_twins_loss(z, -z, 1).item<double>(), 8, 1e-3);
  EXPECT_THAT(message_of([&] { barlow_twins_loss(z.slice(0, 0, 1), z.slice(0, 0, 1), 1); }, ErrorKind::Shape), testing::HasSubstr("over 1 row"));
}

TEST(BarlowTwins, TwoRanksEqualOne) { expect_two_ranks_equal_one(kMake, view_batch(1, 6)); }
TEST(BarlowTwins, ResumesBitForBit) { expect_resume_bit_for_bit(kMake); }

TEST(BarlowTwins, PartsAndErrors) {
  const auto parts = logged_parts(kMake);
  EXPECT_EQ(parts.at("barlow_twins"), parts.at("total"));
  EXPECT_GT(parts.at("embedding_spread"), 0.1);
  expect_needs_two_views(kMake);
}

TEST(BarlowTwins, LayersHaveTheirRates) { expect_layer_rates<BarlowTwins>(config()); }

}  // namespace
}  // namespace eosin::ssl
