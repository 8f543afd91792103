#include "ssl/byol.h"
#include "ssl/byol_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/ssl/plain_losses.h"

namespace eosin::ssl {
namespace {

ByolConfig config() {
  ByolConfig c;
  c.hidden_dim = 13, c.out_dim = 7, c.momentum = 0.9;
  return c;
}
const MakeMethod kMake = maker<Byol>(config());

TEST(ByolLoss, KnownValuesAndGradients) {
  const Tensor p0 = random_leaf(1, 5, 3), p1 = random_leaf(2, 5, 3), t0 = random_leaf(3, 5, 3), t1 = random_rows(4, 5, 3);
  EXPECT_NEAR(byol_loss(p0, p1, p1, p0).item<double>(), 0, 1e-12);
  EXPECT_NEAR(byol_loss(p0, p1, -p1, -p0).item<double>(), 8, 1e-12);
  EXPECT_NEAR(byol_loss(3 * p0, p1, 5 * t0, t1).item<double>(), byol_loss(p0, p1, t0, t1).item<double>(), 1e-12);
  expect_gradients([&] { return byol_loss(p0, p1, t0, t1); }, {{"p0", p0}, {"p1", p1}});
  EXPECT_FALSE(t0.grad().defined());
  EXPECT_THROW(byol_loss(p0, p1, t0, t1.slice(1, 1)), Error);
}

TEST(Byol, TeacherFollows) { expect_teacher_follows(kMake, 0.9, plain::momentum(0.9, 7, 10)); }
TEST(Byol, TwoRanksEqualOne) { expect_two_ranks_equal_one(kMake, view_batch(1, 6)); }
TEST(Byol, ResumesBitForBit) { expect_resume_bit_for_bit(kMake); }

TEST(Byol, PartsAndErrors) {
  const auto parts = logged_parts(kMake);
  EXPECT_EQ(parts.at("byol"), parts.at("total"));
  EXPECT_GT(parts.at("embedding_spread"), 0.1);
  expect_needs_two_views(kMake);
}

TEST(Byol, LayersHaveTheirRates) { expect_layer_rates<Byol>(config()); }

}  // namespace
}  // namespace eosin::ssl
