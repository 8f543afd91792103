#include "optim/param_groups.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::optim {
namespace {

std::vector<std::pair<std::string, Tensor>> model() {
  return {{"blocks.0.fc.weight", at::zeros({3, 5})},
          {"blocks.0.fc.bias", at::zeros({3})},
          {"blocks.1.fc.weight", at::zeros({3, 5})},
          {"norm.weight", at::zeros({5})},
          {"last_layer.weight_v", at::zeros({7, 5})}};
}

TEST(GroupParams, MergesEqualRulesAndKeepsEveryParameterOnce) {
  const auto groups = group_params(model(), dino_rule(), "backbone");
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].names, (std::vector<std::string>{"blocks.0.fc.weight", "blocks.1.fc.weight"}));
  EXPECT_EQ(groups[1].names, (std::vector<std::string>{"blocks.0.fc.bias", "norm.weight"}));
  EXPECT_EQ(groups[1].weight_decay_scale, 0.0);
  EXPECT_TRUE(groups[2].last_layer);
  EXPECT_EQ(groups[2].clip_group, "backbone");
}

TEST(GroupParams, LayerDecayFallsTowardsTheInput) {
  const auto rule = dinov2_rule({0.5, 2, 0.25});
  EXPECT_DOUBLE_EQ(rule("patch_embed.proj.weight", {3, 3, 2, 2}).lr_scale, 0.125 * 0.25);
  EXPECT_DOUBLE_EQ(rule("blocks.1.fc.weight", {3, 5}).lr_scale, 0.5);
  EXPECT_DOUBLE_EQ(rule("norm.weight", {3}).lr_scale, 1.0);
  EXPECT_DOUBLE_EQ(rule("reg_token", {1, 2, 3}).lr_scale, 0.125);
  EXPECT_TRUE(rule("last_layer.weight_v", {7, 5}).frozen_moves);
  EXPECT_FALSE(dino_rule()("last_layer.weight_v", {7, 5}).frozen_moves);
  EXPECT_EQ(dinov2_rule({})("qkv_bias", {3}).weight_decay_scale, 1.0);
  EXPECT_EQ(dinov3_rule({})("qkv_bias", {3}).weight_decay_scale, 0.0);
}

TEST(MupRule, RefusesWhatItCannotScale) {
  EXPECT_THROW(mup_rule("adamw", true, {3, 5}, {3}), Error);
  EXPECT_THROW(mup_rule("lion", true, {3, 5}, {3, 5}), Error);
  EXPECT_EQ(mup_rule("sgd", false, {3, 5}, {3, 5}), ParamRule{});
}

}  // namespace
}  // namespace eosin::optim
