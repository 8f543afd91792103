#include "core/nn/attention_maps.h"

#include "core/nn/vit.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace eosin::nn {
namespace {

TEST(AttentionMaps, AreThoseOfTheLastCall) {
  const auto made = [](uint64_t seed, at::IntArrayRef size) { return at::randn(size, at::detail::createCPUGenerator(seed)); };
  const Tensor q = made(1, {2, 3, 5, 7}), k = made(2, {2, 3, 11, 7}), v = made(3, {2, 3, 11, 7}), other = made(4, {2, 3, 5, 7});
  const Tensor map = last_attention_of_first_token([&] {
    at::scaled_dot_product_attention(other, other, other);
    at::scaled_dot_product_attention(q, k, v);
  });
  ASSERT_EQ(map.sizes(), (at::IntArrayRef{2, 3, 11}));
  const Tensor mixed = at::matmul(map.unsqueeze(2), v), expected = at::scaled_dot_product_attention(q, k, v).slice(2, 0, 1);
  EXPECT_TRUE(mixed.allclose(expected, 1e-5, 1e-6));
  EXPECT_FALSE(last_attention_of_first_token([] {}).defined());
}

TEST(AttentionMaps, OfATransformerSumToOneAndLeaveItAsItIs) {
  VitConfig config;
  config.img_size = {15, 15}, config.patch_size = 5, config.embed_dim = 12, config.depth = 2, config.num_heads = 2, config.mlp_hidden = 11;
  Vit vit(config);
  vit->init_weights(3);
  const Tensor images = at::randn({2, 3, 15, 15}, at::detail::createCPUGenerator(1));
  const Tensor before = vit->forward(images);
  Tensor during;
  const Tensor map = last_attention_of_first_token([&] { during = vit->forward(images); });
  EXPECT_TRUE(during.equal(before));
  ASSERT_EQ(map.sizes(), (at::IntArrayRef{2, 2, 10}));
  EXPECT_TRUE(map.sum(-1).allclose(at::ones({2, 2})));
}

}  // namespace
}  // namespace eosin::nn
