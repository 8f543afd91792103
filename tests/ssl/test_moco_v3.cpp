#include "ssl/moco_v3.h"
#include "ssl/moco_v3_loss.h"
#include "tests/gradcheck.h"
#include "tests/ssl/joint_fixture.h"
#include "tests/ssl/plain_losses.h"

namespace eosin::ssl {
namespace {

MocoV3Config config(bool freeze = true) {
  MocoV3Config c;
  c.hidden_dim = 13, c.out_dim = 7, c.momentum = 0.9, c.freeze_patch_embed = freeze;
  return c;
}
const MakeMethod kMake = maker<MocoV3>(config());

TEST(MocoV3Loss, GradientsReachQueriesOnly) {
  const Tensor q0 = random_leaf(1, 5, 3), q1 = random_leaf(2, 5, 3), k0 = random_leaf(3, 5, 3), k1 = random_rows(4, 5, 3);
  expect_gradients([&] { return moco_v3_loss(q0, q1, k0, k1, 0.2); }, {{"q0", q0}, {"q1", q1}});
  EXPECT_FALSE(k0.grad().defined());
}

TEST(MocoV3Loss, PartsOfABatchAddUpToTheWhole) {
  const Tensor q = random_rows(1, 6, 3), k = random_rows(2, 6, 3);
  const Tensor first = moco_v3_contrast(q.narrow(0, 0, 2), k, 0.2, 0), rest = moco_v3_contrast(q.narrow(0, 2, 4), k, 0.2, 2);
  EXPECT_NEAR((first * 2 + rest * 4).item<double>() / 6, moco_v3_contrast(q, k, 0.2).item<double>(), 1e-12);
  EXPECT_THAT(message_of([&] { moco_v3_contrast(q, k, 0.2, 1); }, ErrorKind::Shape), testing::HasSubstr("from row 1 on have no keys"));
}

TEST(MocoV3, TeacherFollows) { expect_teacher_follows(kMake, 0.9, plain::momentum(0.9, 7, 10)); }
TEST(MocoV3, TwoRanksEqualOne) { expect_two_ranks_equal_one(kMake, view_batch(1, 6)); }
TEST(MocoV3, ResumesBitForBit) { expect_resume_bit_for_bit(kMake); }

TEST(MocoV3, AFrozenPatchConvolutionStays) {
  for (const bool freeze : {true, false}) {
    const auto method = maker<MocoV3>(config(freeze))(make_single_comm(), 0);
    const Tensor start = snapshot(*method).at("student.backbone.patch_embed.proj.weight");
    optim::AdamW adamw({}, method->param_groups());
    adamw.add_averages(method->averages());
    step(*method, adamw, view_batch(1), 0);
    const TensorMap after = snapshot(*method);
    EXPECT_EQ(after.at("student.backbone.patch_embed.proj.weight").equal(start), freeze);
    EXPECT_EQ(after.at("teacher.backbone.patch_embed.proj.weight").equal(start), freeze);
  }
}

TEST(MocoV3, PartsAndErrors) {
  const auto parts = logged_parts(kMake);
  EXPECT_EQ(parts.at("moco_v3"), parts.at("total"));
  EXPECT_GT(parts.at("embedding_spread"), 0.1);
  expect_needs_two_views(kMake);
}

TEST(MocoV3, LayersHaveTheirRates) { expect_layer_rates<MocoV3>(config(false)); }

}  // namespace
}  // namespace eosin::ssl
