#include "ssl/msn.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"

namespace eosin::ssl {
namespace {

MsnConfig config(double patch_drop = 0.3) {
  MsnConfig c;
  c.n_prototypes = 17, c.hidden_dim = 13, c.out_dim = 7, c.momentum = 0.9, c.patch_drop = patch_drop;
  return c;
}
const MakeMethod kMake = maker<Msn>(config());

TEST(MsnLoss, TargetsAreSharpAndBalanced) {
  const Tensor targets = random_rows(1, 12, 5), prototypes = random_rows(2, 3, 5);
  MsnLossOptions options;
  options.sinkhorn_iterations = 50;
  const Tensor y = msn_targets(targets, prototypes, options, *make_single_comm());
  EXPECT_TRUE(y.sum(1).allclose(at::ones({12}, at::kDouble), 1e-10));
  EXPECT_TRUE(y.sum(0).allclose(at::full({3}, 4.0, at::kDouble), 1e-3));
  options.sinkhorn_iterations = 0;
  options.sharpen_temperature = 1;
  const Tensor plain = msn_targets(targets, prototypes, options, *make_single_comm());
  options.sharpen_temperature = 0.25;
  const Tensor sharp = msn_targets(targets, prototypes, options, *make_single_comm()), power = plain.pow(4);
  EXPECT_TRUE(sharp.allclose(power / power.sum(1, true), 1e-10, 1e-14));
}

TEST(MsnLoss, GradientsAndUniformMean) {
  const Tensor anchors = random_leaf(1, 8, 5), prototypes = random_leaf(2, 3, 5), targets = at::softmax(random_rows(3, 4, 3), -1);
  const auto comm = make_single_comm();
  expect_gradients([&] { return msn_loss(anchors, prototypes, targets, {}, comm).total(); }, {{"anchors", anchors}, {"prototypes", prototypes}});
  const Tensor same = at::ones({3, 5}, at::kDouble);
  EXPECT_NEAR(msn_loss(anchors, same, targets, {}, comm).memax.item<double>(), 0, 1e-12);
  EXPECT_THAT(message_of([&] { msn_loss(anchors.slice(0, 1), prototypes, targets, {}, comm); }, ErrorKind::Shape),
              testing::HasSubstr("7 anchors are no whole views"));
}

TEST(Msn, TeacherFollowsOnAStraightLine) { expect_teacher_follows(kMake, 0.9, 0.97, 2); }
TEST(Msn, TwoRanksEqualOne) { expect_two_ranks_equal_one(maker<Msn>(config(0)), view_batch(1, 6, 2)); }
TEST(Msn, ResumesBitForBit) { expect_resume_bit_for_bit(kMake, 2); }

/// 9 patches, a third of them dropped: the pixels of 6 matter, and another position of the batch drops others.
TEST(Msn, DroppedPatchesDoNotMatter) {
  const auto method = kMake(make_single_comm(), 0);
  const auto seen = [&](int64_t position) {
    std::string which;
    for (int64_t patch = 0; patch < 9; ++patch) {
      data::ViewBatch batch = view_batch(1, 4, 1);
      batch.first_position = position;
      const double before = method->forward(batch, at_step(0)).total.item<double>();
      batch.views_BCHW[1].slice(2, patch / 3 * 5, patch / 3 * 5 + 5).slice(3, patch % 3 * 5, patch % 3 * 5 + 5).add_(1);
      which += method->forward(batch, at_step(0)).total.item<double>() == before ? '-' : '+';
    }
    return which;
  };
  const std::string first = seen(0);
  EXPECT_EQ(std::count(first.begin(), first.end(), '+'), 6);
  EXPECT_EQ(seen(0), first);
  EXPECT_NE(seen(400), first);
}

TEST(Msn, PartsAddUpAndPrototypesDoNotDecay) {
  const auto parts = logged_parts(kMake, 2);
  EXPECT_NEAR(parts.at("cross_entropy") + parts.at("memax"), parts.at("total"), 1e-12);
  EXPECT_EQ(parts.count("teacher_entropy"), 1u);
  expect_needs_two_views(kMake);
  const auto method = kMake(make_single_comm(), 0);
  bool found = false;
  for (const auto& group : method->param_groups()) {
    if (std::find(group.names.begin(), group.names.end(), "student.prototypes.weight") == group.names.end()) continue;
    found = true;
    EXPECT_EQ(group.weight_decay_scale, 0);
  }
  EXPECT_TRUE(found);
}

TEST(Msn, LayersHaveTheirRates) { expect_layer_rates<Msn>(config()); }

}  // namespace
}  // namespace eosin::ssl
