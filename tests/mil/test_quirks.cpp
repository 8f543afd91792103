// Named modes that keep what the originals do, and what is done instead.
#include "core/base/error.h"
#include "mil/class_losses.h"
#include "mil/mhim.h"
#include "tests/mil/make_head.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

const std::vector<std::string> kClam = {"head.embed_dim=7", "head.attention_dim=3", "head.k_sample=4"};

std::vector<std::string> with(std::vector<std::string> settings, const std::string& more) {
  settings.push_back(more);
  return settings;
}

TEST(Clam, TakesFewerInstancesOfASmallBagUnlessCompatible) {
  const BagBatch small = make_bags({3}, 5, 3), middle = make_bags({6}, 5, 3), large = make_bags({8}, 5, 3);
  const auto ours = make_small("clam_sb", kClam, {5, 3}), theirs = make_small("clam_sb", with(kClam, "head.compat=clam"), {5, 3});
  ours->to(at::kDouble), theirs->to(at::kDouble);
  ours->forward(small, {});
  try {
    theirs->forward(small, {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Data);
  }
  const auto loss = [](Head& head, const BagBatch& bag) { return head.forward(bag, {}).losses[0].loss_B.item<double>(); };
  EXPECT_NE(loss(*ours, middle), loss(*theirs, middle));
  EXPECT_EQ(loss(*ours, large), loss(*theirs, large));
}

TEST(Clam, RefusesAnUnknownClass) {
  const auto head = make_small("clam_mb", kClam, {5, 3});
  head->to(at::kDouble);
  BagBatch bag = make_bags({9}, 5, 3);
  bag.labels_B.fill_(3);
  EXPECT_THROW(head->forward(bag, {}), Error);
  bag.labels_B = Tensor();
  EXPECT_TRUE(head->forward(bag, {}).losses.empty());  // nothing to teach instances by
}

TEST(Wikg, TakesAllTilesOfASmallBagUnlessCompatible) {
  const BagBatch bag = make_bags({3}, 5, 3);
  const std::vector<std::string> settings = {"head.dim=8", "head.topk=4"};
  const auto ours = make_small("wikg", settings, {5, 3}), theirs = make_small("wikg", with(settings, "head.compat=wikg"), {5, 3});
  ours->to(at::kDouble), theirs->to(at::kDouble);
  EXPECT_TRUE(ours->forward(bag, {}).logits_BC.isfinite().all().item<bool>());
  EXPECT_THROW(theirs->forward(bag, {}), Error);
}

TEST(Gigapath, CountsPositionsInTilesUnlessCompatible) {
  const std::vector<std::string> settings = {"head.dim=8", "head.depth=1", "head.heads=2", "head.ffn_dim=12", "head.slide_ngrids=20"};
  const auto ours = make_small("gigapath", settings, {5, 3}), theirs = make_small("gigapath", with(settings, "head.compat=gigapath"), {5, 3});
  ours->to(at::kDouble), theirs->to(at::kDouble);
  const BagBatch at20x = make_bags({6}, 5, 3);
  BagBatch at40x = at20x;
  at40x.coords_N2 = at20x.coords_N2 * 2, at40x.tile_size_px = {512};
  EXPECT_TRUE(at::allclose(ours->forward(at20x, {}).logits_BC, ours->forward(at40x, {}).logits_BC));
  EXPECT_FALSE(at::allclose(theirs->forward(at20x, {}).logits_BC, theirs->forward(at40x, {}).logits_BC));
  BagBatch beyond = at20x;
  beyond.coords_N2 = at20x.coords_N2 + 256 * 20;
  EXPECT_THROW(ours->forward(beyond, {}), Error);
  beyond.coords_N2 = Tensor();
  EXPECT_THROW(ours->forward(beyond, {}), Error);
}

TEST(DsmilScript, ScalesTheLossWherePosWeightWouldBalanceIt) {
  const Tensor x = at::randn({4, 1}, at::kDouble), y = at::tensor({1.0, 0.0, 0.0, 1.0}, at::kDouble).unsqueeze(1);
  const Tensor plain = multi_label_loss(x, y), scaled = multi_label_loss(x, y, BceWeights{Tensor(), 3});
  const Tensor balanced = multi_label_loss(x, y, {at::tensor({3.0}, at::kDouble), 1});
  EXPECT_TRUE(at::allclose(scaled, 3 * plain));
  EXPECT_TRUE(at::allclose(balanced, at::where(y.squeeze(1).eq(1), 3 * plain, plain)));
}

TEST(Mhim, BreaksTiesOfVotesByMeanAttentionThenIndex) {
  // Each head votes for two: tile 0 gets two votes, tiles 1 and 3 one each; 3 has more attention.
  const Tensor attention = at::tensor({5.0, 4.0, 0.0, 3.0, 0.0, /**/ 5.0, 0.0, 0.0, 4.5, 0.0}, at::kDouble).view({2, 5});
  EXPECT_TRUE(at::equal(mhim_mask(attention, {0, 0, 0.4, 1}, {}).masked, at::tensor({0, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(mhim_mask(at::ones({2, 5}), {0, 0, 0.4, 1}, {}).masked, at::tensor({0, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(mhim_mask(at::ones({1, 5}), {0, 0.4, 0, 1}, {}).kept, at::tensor({2, 3, 4}, at::kLong)));
}

TEST(Mhim, TeacherFollowsTheStudentAndLearnsNothing) {
  const auto head = make_small("mhim", {"head.head.embed_dims=[7]", "head.head.attention_dim=3", "head.momentum=0.75"}, {5, 3});
  head->to(at::kDouble);
  const auto p = head->named_parameters();
  const Tensor teacher = p["teacher.classifier.weight"], student = p["student.classifier.weight"];
  EXPECT_TRUE(at::equal(teacher, student));
  EXPECT_FALSE(teacher.requires_grad());
  {
    const at::NoGradGuard no_grad;
    student.add_(1);
  }
  head->after_update({});
  EXPECT_TRUE(at::allclose(teacher, student - 0.75));
}

TEST(Mhim, RefusesANetWithoutAttention) { EXPECT_THROW(make_small("mhim", {"head.head.name=max"}, {5, 3}), Error); }

}  // namespace
}  // namespace eosin::mil
