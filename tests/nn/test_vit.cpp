#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/vit.h"
#include "core/nn/weights.h"
#include "tests/gradcheck.h"
#include "tests/message_of.h"

#include <gmock/gmock.h>
#include <cmath>
#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

using testing::HasSubstr;

VitConfig small() {
  VitConfig c;
  c.img_size = {21, 14};
  c.patch_size = 7;
  c.embed_dim = 22;
  c.depth = 3;
  c.num_heads = 2;
  c.mlp_hidden = 13;
  return c;
}

/// Everything switched on.
VitConfig rich() {
  VitConfig c = small();
  c.ffn = "swiglu";
  c.qk_norm = true;
  c.init_values = 0.3;
  c.reg_tokens = 2;
  c.pos_embed_covers = "patches";
  c.mask_token = true;
  return c;
}

Vit make(const VitConfig& config, uint64_t seed = 1) {
  Vit vit(config);
  vit->init_weights(seed);
  return vit;
}

TEST(Vit, ShapesOfTokensAndParts) {
  Vit vit = make(rich());
  const Tensor tokens = vit->forward_tokens(at::randn({5, 3, 21, 14}));
  EXPECT_EQ(tokens.sizes(), (std::vector<int64_t>{5, 1 + 2 + 6, 22}));
  EXPECT_EQ(vit->class_tokens(tokens).sizes(), (std::vector<int64_t>{5, 22}));
  EXPECT_EQ(vit->register_tokens(tokens).sizes(), (std::vector<int64_t>{5, 2, 22}));
  EXPECT_EQ(vit->patch_tokens(tokens).sizes(), (std::vector<int64_t>{5, 6, 22}));
  EXPECT_TRUE(vit->forward(at::ones({5, 3, 21, 14})).allclose(vit->pool(vit->forward_tokens(at::ones({5, 3, 21, 14})))));
}

TEST(Vit, HasTimmsNames) {
  std::vector<std::string> names;
  for (const auto& [name, t] : named_weights(*make(rich()))) names.push_back(name);
  for (const char* name : {"cls_token", "reg_token", "pos_embed", "patch_embed.proj.weight", "blocks.2.attn.qkv.bias", "blocks.0.attn.q_norm.weight",
                           "blocks.1.ls1.gamma", "blocks.0.mlp.fc1.weight", "norm.bias"})
    EXPECT_THAT(names, testing::Contains(name));
}

TEST(Vit, SeedsReproduce) {
  const TensorMap a = named_weights(*make(rich(), 5)), b = named_weights(*make(rich(), 5)), c = named_weights(*make(rich(), 6));
  for (const auto& [name, t] : a) EXPECT_TRUE(t.equal(b.at(name))) << name;
  EXPECT_FALSE(a.at("blocks.0.attn.qkv.weight").equal(c.at("blocks.0.attn.qkv.weight")));
  EXPECT_NEAR(a.at("blocks.0.mlp.fc1.weight").std().item<double>(), 0.02, 2e-3);
  EXPECT_LT(a.at("cls_token").abs().max().item<double>(), 1e-5);
}

TEST(Vit, GroupsEqualSinglePasses) {
  Vit vit = make(rich());
  vit->to(at::kDouble);
  const Tensor global = at::randn({2, 3, 21, 14}, at::kDouble), local = at::randn({3, 3, 7, 14}, at::kDouble);
  const auto both = vit->forward_features({global, local});
  EXPECT_TRUE(both[0].allclose(vit->forward(global), 1e-12, 1e-13));
  EXPECT_TRUE(both[1].allclose(vit->forward(local), 1e-12, 1e-13));
}

/// Without attention between tokens each patch is on its own: choosing some is choosing among the results.
TEST(Vit, LastBlocksAreTheClassTokensOfShallowerModels) {
  Vit deep = make(rich()), shallow = make([] {
                             VitConfig c = rich();
                             c.depth = 2;
                             return c;
                           }());
  const at::NoGradGuard no_grad;
  const auto from = deep->named_parameters();
  for (auto& p : shallow->named_parameters()) p.value().copy_(from[p.key()]);
  const Tensor images = at::randn({2, 3, 21, 14}), got = deep->last_blocks(images, 2);
  const ImageTokens last = deep->encode({images}).front();
  EXPECT_TRUE(at::allclose(got, at::cat({shallow->encode({images}).front().class_BD, last.class_BD, last.mean_patch()}, 1), 1e-5, 1e-6));
  EXPECT_THROW(deep->last_blocks(images, 4), Error);
}

TEST(Vit, VisiblePatchesKeepTheirPositionsAndOrder) {
  Vit vit = make(rich());
  {
    const at::NoGradGuard no_grad;
    for (const auto& item : vit->named_parameters())
      if (item.key().find("attn.proj.weight") != std::string::npos) item.value().fill_(0);
  }
  const Tensor images = at::randn({2, 3, 21, 14}), chosen = at::tensor({4, 0, 1, 5}, at::kLong).view({2, 2});
  VitPass pass;
  pass.visible_BK = {chosen};
  const Tensor all = vit->forward_tokens(images), some = vit->forward_tokens(images, pass);
  EXPECT_EQ(some.sizes(), (std::vector<int64_t>{2, 3 + 2, 22}));
  for (int64_t image = 0; image < 2; ++image)
    EXPECT_TRUE(some[image].slice(0, 3).allclose(all[image].slice(0, 3).index_select(0, chosen[image]), 1e-5, 1e-6));
  pass.visible_BK = {at::zeros({3, 2}, at::kLong)};
  EXPECT_THAT(message_of([&] { vit->forward_tokens(images, pass); }, ErrorKind::Shape), HasSubstr("[3, 2] for 2 images of 6 patches"));
}

/// FlexiViT: an image and its enlarged copy are the same to patches that grow with it.
TEST(Vit, AnotherPatchSizeSeesAResizedImageAlike) {
  VitConfig config = small();
  config.img_size = {21, 21};
  Vit vit = make(config);
  vit->to(at::kDouble);
  const Tensor patches = at::randn({2 * 9, 3, 7, 7}, at::kDouble);
  const auto image_of = [](const Tensor& p) {  // patch by patch, as the resize of FlexiViT's equation sees them
    const int64_t side = p.size(2);
    return p.reshape({2, 3, 3, 3, side, side}).permute({0, 3, 1, 4, 2, 5}).reshape({2, 3, 3 * side, 3 * side});
  };
  VitPass pass;
  pass.patch_size = 14;
  const Tensor small_tokens = vit->forward_tokens(image_of(patches));
  const Tensor large_tokens = vit->forward_tokens(image_of(at::_upsample_bicubic2d_aa(patches, {14, 14}, false)), pass);
  EXPECT_TRUE(large_tokens.allclose(small_tokens, 1e-4, 1e-4)) << (large_tokens - small_tokens).abs().max();

  pass.patch_size = 3;
  EXPECT_EQ(vit->forward_tokens(image_of(patches), pass).sizes(), (std::vector<int64_t>{2, 1 + 49, 22}));
  vit->forward_tokens(image_of(patches), pass).sum().backward();
  EXPECT_GT(vit->named_parameters()["patch_embed.proj.weight"].grad().abs().max().item<double>(), 0);
  pass.patch_size = 4;
  EXPECT_THAT(message_of([&] { vit->forward_tokens(image_of(patches), pass); }, ErrorKind::Shape), HasSubstr("need a multiple of 4"));
}

TEST(Vit, DropPathIsReproducibleAndNeedsAKey) {
  VitConfig config = small();
  config.drop_path_rate = 0.5;
  Vit vit = make(config);
  const Tensor images = at::randn({6, 3, 21, 14});
  VitPass pass;
  pass.drop_path = DropPathKey{3, 100};
  const Tensor a = vit->forward_features({images}, pass)[0], b = vit->forward_features({images}, pass)[0];
  pass.drop_path->position = 106;
  const Tensor c = vit->forward_features({images}, pass)[0];
  EXPECT_TRUE(a.equal(b));
  EXPECT_FALSE(a.equal(c));
  Vit plain = make(small());
  EXPECT_TRUE(vit->forward(images).equal(plain->forward(images)));
}

TEST(Vit, Gradients) {
  VitConfig config = rich();
  config.drop_path_rate = 0.4;
  Vit vit = make(config, 2);
  vit->to(at::kDouble);
  for (auto& item : vit->named_parameters()) {
    const at::NoGradGuard no_grad;
    item.value().add_(at::randn_like(item.value()) * 0.1);
  }
  const Tensor global = at::randn({2, 3, 21, 14}, at::kDouble).requires_grad_(), local = at::randn({3, 3, 14, 7}, at::kDouble);
  VitPass pass;
  pass.drop_path = DropPathKey{1, 2};
  pass.masks_BN = {at::tensor({1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0}, at::kByte).view({2, 6}).to(at::kBool), at::zeros({3, 2}, at::kBool)};
  const Tensor weight = at::randn({5, 22}, at::kDouble);
  std::vector<std::pair<std::string, Tensor>> leaves = {{"images", global}};
  for (const auto& item : vit->named_parameters()) leaves.emplace_back(item.key(), item.value());
  expect_gradients([&] { return (at::cat(vit->forward_features({global, local}, pass)) * weight).sum(); }, leaves, 2);
}

VitConfig attention_pooled(int64_t dim) {
  VitConfig config = small();
  config.global_pool = "attention";
  config.attention_pool.dim = dim, config.attention_pool.num_heads = 2, config.attention_pool.queries = 3;
  return config;
}

TEST(Vit, PoolsByAttention) {
  Vit vit = make(attention_pooled(10));
  const at::NoGradGuard no_grad;
  for (auto& item : vit->named_parameters()) item.value().add_(at::randn_like(item.value()) * 0.2);
  const Tensor images = at::randn({2, 3, 21, 14}), tokens = vit->forward_tokens(images);
  const TensorMap w = named_weights(*vit);
  const auto norm = [&](const Tensor& x, const std::string& name) {
    return at::layer_norm(x, {x.size(-1)}, w.at("attn_pool." + name + ".weight"), w.at("attn_pool." + name + ".bias"));
  };
  const auto linear = [&](const Tensor& x, const char* part, int64_t i) {
    return at::linear(x, w.at(std::string("attn_pool.attn.") + part + "_proj_weight"),
                      w.at("attn_pool.attn.in_proj_bias").slice(0, 10 * i, 10 * i + 10));
  };
  const Tensor keys = norm(tokens, "ln_k"), q = linear(norm(w.at("attn_pool.query"), "ln_q").slice(0, 0, 1), "q", 0);
  std::vector<Tensor> mixed;
  for (int64_t head = 0; head < 2; ++head) {
    const auto part = [&](const Tensor& x) { return x.slice(-1, 5 * head, 5 * head + 5); };
    const Tensor share = (at::matmul(part(q), part(linear(keys, "k", 1)).transpose(1, 2)) / std::sqrt(5.0)).softmax(-1);
    mixed.push_back(at::matmul(share, part(linear(keys, "v", 2))));
  }
  const Tensor pooled = at::linear(at::cat(mixed, -1), w.at("attn_pool.attn.out_proj.weight"), w.at("attn_pool.attn.out_proj.bias")).squeeze(1);
  EXPECT_TRUE(vit->forward(images).allclose(norm(pooled, "norm"), 1e-4, 1e-5));
  EXPECT_EQ(vit->encode({images}).front().summary_BD.sizes(), (std::vector<int64_t>{2, 10}));
  EXPECT_TRUE(named_weights(*make(attention_pooled(small().embed_dim))).count("attn_pool.attn.in_proj_weight"));
  EXPECT_THAT(message_of([] { make(attention_pooled(9)); }, ErrorKind::Config), HasSubstr("attention_pool of width 9 and 2 heads"));
}

TEST(Vit, TheKeysBiasWithoutEffectHasNoGradient) {
  Vit vit = make(small());
  vit->forward(at::ones({2, 3, 21, 14})).square().sum().backward();
  const Tensor grad = vit->named_parameters()["blocks.1.attn.qkv.bias"].grad();
  EXPECT_EQ(grad.narrow(0, 22, 22).count_nonzero().item<int64_t>(), 0);
  EXPECT_EQ(grad.narrow(0, 44, 22).count_nonzero().item<int64_t>(), 22);
}

TEST(Vit, BadInputNamesBothNumbers) {
  VitConfig fixed = small();
  fixed.dynamic_img_size = false;
  EXPECT_THAT(message_of([&] { make(fixed)->forward(at::zeros({1, 3, 28, 14})); }, ErrorKind::Shape), HasSubstr("28x14 (need 21x14)"));
  EXPECT_THAT(message_of([&] { make(small())->forward(at::zeros({1, 3, 22, 14})); }, ErrorKind::Shape), HasSubstr("multiple of 7"));
  VitPass pass;
  pass.masks_BN = {at::zeros({1, 5}, at::kBool)};
  EXPECT_THAT(message_of([&] { make(rich())->forward_tokens(at::zeros({1, 3, 21, 14}), pass); }, ErrorKind::Shape), HasSubstr("6 patches"));
  VitConfig odd = small();
  odd.num_heads = 3;
  EXPECT_THAT(message_of([&] { make(odd); }, ErrorKind::Config), HasSubstr("22 does not divide among 3"));
  odd = small();
  odd.img_size = {224, 225};
  EXPECT_THAT(message_of([&] { make(odd); }, ErrorKind::Config), HasSubstr("225 is not a multiple of patch size 7"));
}

TEST(VitConfig, TravelsThroughJson) {
  VitConfig config = rich();
  config.pos_offset = 0.1;
  const VitConfig back = vit_config_from_json(to_json(config), "test");
  EXPECT_EQ(to_json(back), to_json(config));
  auto json = to_json(config);
  json["widht"] = 3;
  EXPECT_THAT(message_of([&] { vit_config_from_json(json, "here"); }, ErrorKind::Data), HasSubstr("widht"));
}

TEST(Backbones, TableBuildsTimmSizes) {
  BackboneConfig config;
  config.name = "vit_tiny";
  config.image_size_px = 96;
  const VitConfig vit = vit_of(make_model_config(config));
  EXPECT_EQ(vit.embed_dim, 192);
  EXPECT_EQ(vit.grid().count(), 36);
  EXPECT_THAT(message_of([&] { backbone("vit_smal"); }, ErrorKind::Config), HasSubstr("'vit_small'"));
  for (const BackboneRow& row : backbones())
    if (const auto* shape = std::get_if<VitConfig>(&row.model)) EXPECT_EQ(shape->embed_dim % shape->num_heads, 0) << row.name;
}

}  // namespace
}  // namespace eosin::nn
