#include "ssl/collapse.h"
#include "ssl/ntxent.h"
#include "ssl/simclr.h"
#include "ssl/unit_rows.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"

namespace eosin::ssl {
namespace {

SimclrConfig config() {
  SimclrConfig c;
  c.hidden_dim = 13, c.out_dim = 7, c.temperature = 0.3;
  return c;
}
const MakeMethod kMake = maker<Simclr>(config());

TEST(Ntxent, IsTheSumWrittenOut) {
  const Tensor z0 = random_rows(1, 5, 3), z1 = random_rows(2, 5, 3), z = unit_rows(at::cat({z0, z1}));
  double want = 0;
  for (int64_t i = 0; i < 10; ++i) {
    double others = 0;
    for (int64_t k = 0; k < 10; ++k)
      if (k != i) others += std::exp((z[i] * z[k]).sum().item<double>() / 0.3);
    want -= std::log(std::exp((z[i] * z[(i + 5) % 10]).sum().item<double>() / 0.3) / others) / 10;
  }
  EXPECT_NEAR(ntxent_loss(z0, z1, 0.3).item<double>(), want, 1e-12);
}

TEST(Ntxent, GradientsAndOrder) {
  const Tensor z0 = random_leaf(1, 5, 3), z1 = random_leaf(2, 5, 3);
  expect_gradients([&] { return ntxent_loss(z0, z1, 0.2); }, {{"z0", z0}, {"z1", z1}});
  const Tensor order = at::tensor({3, 1, 4, 0, 2}, at::kLong);
  const double loss = ntxent_loss(z0, z1, 0.2).item<double>();
  EXPECT_NEAR(ntxent_loss(z0.index_select(0, order), z1.index_select(0, order), 0.2).item<double>(), loss, 1e-12);
  EXPECT_NEAR(ntxent_loss(z1, z0, 0.2).item<double>(), loss, 1e-12);
  EXPECT_NEAR(ntxent_loss(z0 * 7, z1, 0.2).item<double>(), loss, 1e-12);
  EXPECT_THROW(ntxent_loss(z0, z1.slice(0, 1), 0.2), Error);
}

TEST(Ntxent, StaysFiniteAtLowTemperaturesInFloat) {
  const Tensor z = random_rows(3, 4, 6).to(at::kFloat);
  EXPECT_TRUE(ntxent_loss(z, -z, 1e-3).isfinite().item<bool>());
}

TEST(EmbeddingSpread, IsOneRoundTheSphereAndZeroInAPoint) {
  EXPECT_NEAR(embedding_spread(random_rows(1, 2000, 5)).second.item<double>(), 1, 0.02);
  EXPECT_NEAR(embedding_spread(at::ones({9, 5})).second.item<double>(), 0, 1e-6);
}

TEST(Simclr, TwoRanksEqualOne) { expect_two_ranks_equal_one(kMake, view_batch(1, 6)); }
TEST(Simclr, ResumesBitForBit) { expect_resume_bit_for_bit(kMake); }

TEST(Simclr, PartsNamesAndErrors) {
  const auto parts = logged_parts(kMake);
  EXPECT_EQ(parts.at("nt_xent"), parts.at("total"));
  EXPECT_GT(parts.at("embedding_spread"), 0.1);
  expect_needs_two_views(kMake);
  const auto method = kMake(make_single_comm(), 0);
  const State state = method->state();
  EXPECT_EQ(state.tensors.at("student.projector.0.weight").sizes(), (std::vector<int64_t>{13, 14}));
  EXPECT_EQ(state.tensors.at("student.projector.4.running_var").sizes(), (std::vector<int64_t>{7}));
  EXPECT_EQ(state.values["encoder"]["vit"]["embed_dim"], 14);
}

TEST(Simclr, LayersHaveTheirRates) { expect_layer_rates<Simclr>(config()); }

}  // namespace
}  // namespace eosin::ssl
