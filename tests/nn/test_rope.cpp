#include "core/base/error.h"
#include "core/nn/rope.h"
#include "core/nn/vit.h"
#include "tests/gradcheck.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

RopeConfig config_with(std::optional<double> shift, std::optional<double> jitter, std::optional<double> rescale) {
  RopeConfig c;
  c.enabled = true;
  c.shift = shift;
  c.jitter = jitter;
  c.rescale = rescale;
  return c;
}

TEST(Rope, TurnsPatchesAndKeepsThePrefix) {
  const RopeTable table = rope_table(rope_coordinates({3, 5}, "separate"), rope_periods(config_with({}, {}, {}), 12));
  const Tensor q = at::randn({2, 7, 2 + 15, 12});
  const Tensor turned = rotate(q, table);
  EXPECT_TRUE(turned.slice(2, 0, 2).equal(q.slice(2, 0, 2)));
  EXPECT_TRUE(turned.norm(2, -1).allclose(q.norm(2, -1), 1e-4, 1e-5));  // a rotation
  EXPECT_FALSE(turned.slice(2, 2).allclose(q.slice(2, 2)));
  EXPECT_TRUE(turned.select(2, 2 + 7).allclose(q.select(2, 2 + 7)));  // the centre of an odd grid has coordinates 0
}

TEST(Rope, ScoresDependOnTheDistanceAlone) {
  const Tensor periods = rope_periods(config_with({}, {}, {}), 8);
  const Tensor q = at::randn({1, 1, 1, 8}), k = at::randn({1, 1, 1, 8});
  const auto score = [&](const Tensor& at_q, const Tensor& at_k) {
    return (rotate(q, rope_table(at_q, periods)) * rotate(k, rope_table(at_k, periods))).sum().item<float>();
  };
  const Tensor a = at::tensor({0.1, -0.4}).view({1, 2}), b = at::tensor({0.3, 0.2}).view({1, 2}), shift = at::tensor({0.25, 0.5}).view({1, 2});
  EXPECT_NEAR(score(a, b), score(a + shift, b + shift), 1e-5);
}

TEST(Rope, ChangesAreDrawnByKeyAndGroupWithinTheirRange) {
  const RopeConfig config = config_with(0.3, 1.5, 2.0);
  const RopeChange one = draw_rope_change(config, {5, 70}, 0), again = draw_rope_change(config, {5, 70}, 0);
  EXPECT_EQ(one.shift, again.shift);
  EXPECT_EQ(one.rescale, again.rescale);
  EXPECT_NE(one.shift, draw_rope_change(config, {5, 70}, 1).shift);
  EXPECT_NE(one.shift, draw_rope_change(config, {5, 71}, 0).shift);
  double lowest = 9, highest = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const RopeChange change = draw_rope_change(config, {1, i}, 0);
    EXPECT_LE(std::abs(change.shift[0]), 0.3);
    EXPECT_LE(change.jitter[1], 1.5 + 1e-6);
    lowest = std::min(lowest, change.rescale);
    highest = std::max(highest, change.rescale);
  }
  EXPECT_NEAR(lowest, 0.5, 0.02);
  EXPECT_NEAR(highest, 2.0, 0.05);
  const RopeChange none = draw_rope_change(config_with({}, {}, {}), {1, 2}, 0);
  EXPECT_EQ(none.shift[0], 0);
  EXPECT_EQ(none.rescale, 1);
}

VitConfig rotary() {
  VitConfig c;
  c.img_size = {21, 14};
  c.patch_size = 7;
  c.embed_dim = 24;
  c.depth = 2;
  c.num_heads = 3;
  c.mlp_hidden = 13;
  c.reg_tokens = 2;
  c.pos_embed_covers = "none";
  c.rope = config_with({}, {}, 2.0);
  c.prefix_norm = true;
  return c;
}

TEST(Rope, AModelTakesAnySizeAndChangesOnlyInTraining) {
  Vit vit(rotary());
  vit->init_weights(3);
  EXPECT_FALSE(vit->named_parameters().contains("pos_embed"));
  EXPECT_TRUE(vit->named_buffers().contains("rope_embed.periods"));
  const at::NoGradGuard no_grad;
  const Tensor images = at::randn({2, 3, 35, 28});
  EXPECT_EQ(vit->forward_tokens(images).sizes(), (std::vector<int64_t>{2, 3 + 20, 24}));
  VitPass pass;
  pass.drop_path = DropPathKey{1, 2};
  EXPECT_FALSE(vit->forward_tokens(images, pass).equal(vit->forward_tokens(images)));
  EXPECT_TRUE(vit->forward_tokens(images, pass).equal(vit->forward_tokens(images, pass)));
  const auto both = vit->forward_prenorm({images, images.slice(2, 0, 21)});
  EXPECT_TRUE(both[0].allclose(vit->forward_prenorm({images})[0], 1e-5, 1e-6));
}

TEST(Rope, Gradients) {
  Vit vit(rotary());
  vit->init_weights(3);
  vit->to(at::kDouble);
  const Tensor images = at::randn({2, 3, 21, 14}, at::kDouble).requires_grad_(), weight = at::randn({2, 9, 24}, at::kDouble);
  std::vector<std::pair<std::string, Tensor>> leaves{{"images", images}};
  for (const auto& p : vit->named_parameters())
    if (p.key().find("qkv") != std::string::npos || p.key().find("cls_norm") != std::string::npos) leaves.emplace_back(p.key(), p.value());
  expect_gradients([&] { return (vit->forward_tokens(images) * weight).sum(); }, leaves, 5);
}

TEST(Rope, TheKeysBiasMattersUnlessItIsZero) {
  for (const bool zero : {false, true}) {
    VitConfig config = rotary();
    config.zero_k_bias = zero;
    Vit vit(config);
    vit->init_weights(3);
    vit->forward_tokens(at::randn({2, 3, 21, 14})).pow(3).sum().backward();
    const Tensor of_keys = vit->named_parameters()["blocks.0.attn.qkv.bias"].grad().slice(0, 24, 48);
    EXPECT_EQ(of_keys.abs().max().item<float>() > 0, !zero);
  }
}

TEST(Rope, BadInputIsNamed) {
  VitConfig odd = rotary();
  odd.num_heads = 4;  // heads of 6
  EXPECT_THAT(message_of([&] { odd.check(); }, ErrorKind::Config), HasSubstr("24 / 4 = 6"));
}

}  // namespace
}  // namespace eosin::nn
