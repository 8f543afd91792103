#include "core/base/error.h"
#include "core/nn/token_merge.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

TEST(TokenMerge, SchedulesLikeTome) {
  EXPECT_EQ(tome_schedule(4, 0, 3), (std::vector<int64_t>{4, 4, 4}));
  EXPECT_EQ(tome_schedule(4, 1, 3), (std::vector<int64_t>{0, 4, 8}));
  EXPECT_EQ(tome_schedule(4, -1, 3), (std::vector<int64_t>{8, 4, 0}));
  EXPECT_EQ(tome_schedule(5, 0.5, 1), (std::vector<int64_t>{2}));
}

TEST(TokenMerge, TwinsBecomeOneAndWeighTwo) {
  Tensor metric = at::eye(7).unsqueeze(0).clone();
  metric[0][4] = metric[0][3];  // an even position equal to an odd one
  const Tensor x = at::arange(7, at::kFloat).view({1, 7, 1}), ones = at::ones({1, 7, 1});
  const MergePlan plan = tome_plan(metric, 1, /*class_token=*/true);
  const MergedTokens merged = merge_tokens(plan, x, ones);
  EXPECT_EQ(plan.count, 6);
  EXPECT_TRUE(merged.tokens_BND.flatten().equal(at::tensor({0.0f, 2.0f, 6.0f, 1.0f, 3.5f, 5.0f})));
  EXPECT_TRUE(merged.size_BN1.flatten().equal(at::tensor({1.0f, 1.0f, 1.0f, 1.0f, 2.0f, 1.0f})));
  EXPECT_TRUE(merge_sources(plan).sum(1).eq(1).all().item<bool>());
}

TEST(TokenMerge, EveryPlanKeepsSumsAndTheClassToken) {
  const Tensor metric = at::randn({3, 17, 5}), x = at::randn({3, 17, 11}), ones = at::ones({3, 17, 1});
  for (const MergePlan& plan : {tome_plan(metric, 5, true), tome_plan(metric, 99, true), tome_plan(metric, 5, true, true), tome_plan(metric, 0, true),
                                pitome_plan(metric, 0.7, 0.3, 1, true), pitome_plan(metric, 0.5, 0.3, 1, true), pitome_plan(metric, 1, 0, 1, true),
                                pitome_plan(metric, 0.7, 0.3, 1, true, true), with_kept_tokens(tome_plan(metric.slice(1, 2), 4, true), 1, 2)}) {
    const MergedTokens merged = merge_tokens(plan, x, ones);
    EXPECT_EQ(merged.tokens_BND.size(1), plan.count);
    EXPECT_TRUE((merged.tokens_BND * merged.size_BN1).sum(1).allclose(x.sum(1), 1e-4, 1e-5));
    EXPECT_TRUE(merged.tokens_BND.select(1, 0).equal(x.select(1, 0)));
  }
  EXPECT_EQ(tome_plan(metric, 99, true).count, 17 - 8);  // at most half
  EXPECT_THAT(message_of([&] { pitome_plan(metric, 0.4, 0, 1, true); }, ErrorKind::Config), HasSubstr("0.4"));
}

VitConfig small() {
  VitConfig c;
  c.img_size = {35, 21};
  c.patch_size = 7;
  c.embed_dim = 24;
  c.depth = 3;
  c.num_heads = 3;
  c.mlp_hidden = 13;
  c.qk_norm = true;
  c.init_values = 0.5;
  c.reg_tokens = 2;
  c.pos_embed_covers = "patches";
  c.global_pool = "token_avg";
  return c;
}

TEST(TokenMerge, AModelOfEveryKindMergesAndKeepsItsRegisters) {
  const Tensor images = at::randn({2, 3, 35, 21});
  for (const bool rope : {false, true})
    for (const char* method : {"tome", "pitome", "pitome_bsm"}) {
      VitConfig config = small();
      config.rope.enabled = rope;
      if (rope) config.pos_embed_covers = "none";
      config.token_merge.method = method;
      config.token_merge.r = 3;
      config.token_merge.ratio = 0.8;  // 3 of 15, 2 of 12, 2 of 10
      Vit merging(config);
      merging->init_weights(5);
      const MergedTokens merged = merging->forward_merged({images}).front();
      EXPECT_EQ(merged.tokens_BND.size(1), 3 + (std::string(method) == "tome" ? 6 : 8)) << method;
      EXPECT_TRUE(merged.size_BN1.sum({1, 2}).eq(18).all().item<bool>());
      EXPECT_TRUE(merged.size_BN1.slice(1, 0, 3).eq(1).all().item<bool>());
      const Tensor feature = merging->forward(images);
      EXPECT_EQ(feature.sizes(), (std::vector<int64_t>{2, 48}));
      feature.sum().backward();
      EXPECT_TRUE(merging->named_parameters()["blocks.0.attn.qkv.weight"].grad().isfinite().all().item<bool>());
    }
}

TEST(TokenMerge, EqualPatchesMergeWithoutATrace) {
  VitConfig config = small();
  config.reg_tokens = 0;
  config.rope.enabled = false;
  Vit plain(config);
  plain->init_weights(5);
  named_weights(*plain).at("pos_embed").detach().zero_();
  config.token_merge.method = "tome";
  config.token_merge.r = 4;
  Vit merging(config);
  load_weights(*merging, named_weights(*plain));
  const at::NoGradGuard no_grad;
  const Tensor images = at::ones({2, 3, 35, 21});  // every patch the same: a mean of them is one of them
  EXPECT_TRUE(merging->forward(images).allclose(plain->forward(images), 1e-4, 1e-5));
}

TEST(TokenMerge, BadSettingsAreNamed) {
  VitConfig config = small();
  config.token_merge.method = "pitome";
  config.drop_path_rate = 0.1;
  EXPECT_THAT(message_of([&] { config.check(); }, ErrorKind::Config), HasSubstr("drop_path_rate 0 (got 0.1)"));
  config.drop_path_rate = 0;
  config.token_merge.ratio = 0.4;
  EXPECT_THAT(message_of([&] { config.check(); }, ErrorKind::Config), HasSubstr("ratio 0.4"));
  config.token_merge.ratio = 0.9;
  config.token_merge.margins = {0.1, 0.2};
  EXPECT_THAT(message_of([&] { config.check(); }, ErrorKind::Config), HasSubstr("2 margins for 3 blocks"));
}

}  // namespace
}  // namespace eosin::nn
