#include "core/base/error.h"
#include "core/nn/vit.h"
#include "core/nn/weight_export.h"
#include "core/nn/weights.h"
#include "tests/message_of.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

VitConfig config_with(int64_t registers) {
  VitConfig c;
  c.img_size = {28, 28};
  c.patch_size = 7;
  c.embed_dim = 26;
  c.depth = 2;
  c.num_heads = 2;
  c.mlp_hidden = 17;
  c.init_values = 1e-5;
  c.reg_tokens = registers;
  if (registers) c.pos_embed_covers = "patches";
  return c;
}

TensorMap weights_of(const VitConfig& config) {
  Vit vit(config);
  vit->init_weights(3);
  TensorMap copy;
  for (const auto& [name, t] : named_weights(*vit)) copy.emplace(name, t.detach().clone());
  return copy;
}

ImportTarget heads(int64_t n) {
  ImportTarget target;
  target.num_heads = n;
  return target;
}

TEST(Weights, TokensOfAWrongShapeAreNamed) {
  const VitConfig config = config_with(3);
  const TensorMap good = to_dinov2(weights_of(config), config);
  for (const char* name : {"pos_embed", "cls_token", "register_tokens"})
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{}, {26}, {1, 26}, {1, 0, 26}, {1, 17, 25}, {2, 17, 26}, {1, 1, 17, 26}}) {
      TensorMap bad = good;
      bad[name] = at::zeros(shape);
      EXPECT_THAT(message_of([&] { convert_state_dict(bad, heads(2)); }, ErrorKind::Data), HasSubstr("(need [1, N, 26])")) << name;
    }
}

TEST(Weights, Dinov2AndBackIsBitExact) {
  for (const int64_t registers : {0, 3})
    for (const char* ffn : {"mlp", "swiglu"}) {
      VitConfig config = config_with(registers);
      config.ffn = ffn;
      const TensorMap ours = weights_of(config), theirs = to_dinov2(ours, config);
      EXPECT_TRUE(theirs.count("mask_token"));
      const ImportedWeights back = convert_state_dict(theirs, heads(2));
      EXPECT_EQ(back.origin, registers > 0 ? "dinov2_reg" : "dinov2");
      EXPECT_EQ(back.vit().pos_embed_covers, config.pos_embed_covers);
      EXPECT_EQ(back.vit().pos_antialias, registers > 0);
      ASSERT_EQ(back.weights.size(), ours.size());
      for (const auto& [name, t] : ours) EXPECT_TRUE(t.equal(back.weights.at(name))) << name;
    }
}

TEST(Weights, AMaskTokenIsKeptWhenAskedFor) {
  const VitConfig config = config_with(0);
  TensorMap theirs = to_dinov2(weights_of(config), config);
  theirs["mask_token"] = at::full({1, 26}, 0.25);
  ImportTarget target = heads(2);
  EXPECT_FALSE(convert_state_dict(theirs, target).vit().mask_token);
  target.mask_token = true;
  const ImportedWeights imported = convert_state_dict(theirs, target);
  EXPECT_TRUE(imported.vit().mask_token);
  EXPECT_TRUE(imported.weights.at("mask_token").equal(theirs.at("mask_token")));
}

TEST(Weights, TakesTheEncoderOutOfAnMaeCheckpoint) {
  TensorMap mae = weights_of(config_with(0));
  const TensorMap ours = mae;
  mae["mask_token"] = at::zeros({1, 1, 8});
  mae["decoder_pos_embed"] = at::zeros({1, 17, 8});
  mae["decoder_blocks.0.norm1.weight"] = at::zeros({8});
  ImportTarget target = heads(2);
  target.mask_token = true;  // MAE's belongs to its decoder
  const ImportedWeights imported = convert_state_dict(mae, target);
  EXPECT_EQ(imported.origin, "mae");
  EXPECT_EQ(imported.dropped.size(), 3u);
  EXPECT_EQ(imported.weights.size(), ours.size());
}

TEST(Weights, OriginsSetWhatShapesDoNotSay) {
  VitConfig config = config_with(0);
  config.embed_dim = 24;
  config.init_values.reset();
  const ImportedWeights vit = convert_state_dict(to_hf(weights_of(config), config), heads(2));
  EXPECT_EQ(vit.origin, "hf_vit");
  EXPECT_DOUBLE_EQ(vit.vit().norm_eps, 1e-12);
  EXPECT_FALSE(vit.vit().pos_antialias);
  EXPECT_DOUBLE_EQ(vit.vit().pos_offset, 0);
  config.rope.enabled = config.zero_k_bias = true;
  config.pos_embed_covers = "none";
  config.ffn = "swiglu";
  const TensorMap ours = weights_of(config), hub = to_dinov3(ours, config);
  EXPECT_TRUE(hub.count("blocks.1.mlp.w2.weight") && hub.count("blocks.0.attn.qkv.bias_mask"));
  const ImportedWeights v3 = convert_state_dict(hub);  // the periods tell the heads
  EXPECT_EQ(v3.origin, "dinov3");
  EXPECT_EQ(v3.vit().num_heads, 2);
  EXPECT_TRUE(v3.vit().zero_k_bias);
  EXPECT_DOUBLE_EQ(v3.vit().norm_eps, 1e-5);
  for (const auto& [name, t] : ours) EXPECT_TRUE(t.equal(v3.weights.at(name))) << name;
}

TEST(Weights, TakesTheTeacherOutOfADinoCheckpoint) {
  const TensorMap ours = weights_of(config_with(0));
  TensorMap checkpoint;
  for (const auto& [name, t] : ours) {
    checkpoint["teacher.backbone." + name] = t;
    checkpoint["student.module.backbone." + name] = t + 1;
  }
  checkpoint["teacher.head.mlp.0.weight"] = at::zeros({3});
  const ImportedWeights imported = convert_state_dict(checkpoint, heads(2));
  EXPECT_EQ(imported.origin, "dino");
  EXPECT_DOUBLE_EQ(imported.vit().pos_offset, 0.1);
  EXPECT_EQ(imported.dropped.size(), ours.size() + 1);
  for (const auto& [name, t] : ours) EXPECT_TRUE(t.equal(imported.weights.at(name))) << name;
}

TEST(Weights, DropsTimmsClassifierAndSaysSo) {
  TensorMap timm = weights_of(config_with(0));
  timm["head.weight"] = at::zeros({5, 26});
  const ImportedWeights imported = convert_state_dict(timm, heads(2));
  EXPECT_EQ(imported.origin, "timm");
  EXPECT_EQ(imported.dropped, std::vector<std::string>{"head.weight"});
  EXPECT_TRUE(imported.vit().pos_antialias);
}

TEST(Weights, ResizesAndReports) {
  ImportTarget target = heads(2);
  target.patch_size = 5;
  target.img_size = {15, 35};
  const ImportedWeights imported = convert_state_dict(weights_of(config_with(0)), target);
  EXPECT_EQ(imported.weights.at("patch_embed.proj.weight").sizes(), (std::vector<int64_t>{26, 3, 5, 5}));
  EXPECT_EQ(imported.weights.at("pos_embed").sizes(), (std::vector<int64_t>{1, 1 + 21, 26}));
  ASSERT_EQ(imported.resized.size(), 2u);
  EXPECT_EQ(imported.resized[0].name, "patch_embed.proj.weight");
  Vit vit(imported.vit());
  load_weights(*vit, imported.weights);
}

TEST(Weights, RefusesToLoadInPart) {
  Vit vit(config_with(0));
  TensorMap weights = weights_of(config_with(0));
  weights.erase("norm.bias");
  weights["extra"] = at::zeros({1});
  const auto what = message_of([&] { load_weights(*vit, weights); }, ErrorKind::Data);
  EXPECT_THAT(what, HasSubstr("1 missing [norm.bias]"));
  EXPECT_THAT(what, HasSubstr("1 unexpected [extra]"));
  const LoadReport report = load_weights(*vit, weights, {"norm.bias"}, {"extra"});
  EXPECT_EQ(report.missing, std::vector<std::string>{"norm.bias"});
  weights = weights_of(config_with(0));
  weights["norm.bias"] = at::zeros({27});
  EXPECT_THAT(message_of([&] { load_weights(*vit, weights); }, ErrorKind::Shape), HasSubstr("[27] (need [26])"));
}

TEST(Weights, NamesWhatIsNoVisionTransformer) {
  EXPECT_THAT(message_of([] { convert_state_dict({{"conv1.weight", at::zeros({3})}}); }, ErrorKind::Data), HasSubstr("conv1.weight"));
  TensorMap odd = weights_of(config_with(0));
  odd["pos_embed"] = at::zeros({1, 1 + 15, 26});
  ImportTarget shaped = heads(2);
  shaped.source_size = {21, 35};
  EXPECT_EQ(convert_state_dict(odd, shaped).vit().grid(), (PatchGrid{3, 5}));
  odd["pos_embed"] = at::zeros({1, 1 + 14, 26});
  EXPECT_THAT(message_of([&] { convert_state_dict(odd, heads(2)); }, ErrorKind::Data), HasSubstr("15 rows"));
  EXPECT_THAT(message_of([&] { convert_state_dict(weights_of(config_with(0))); }, ErrorKind::Config), HasSubstr("model.num_heads"));
}

}  // namespace
}  // namespace eosin::nn
