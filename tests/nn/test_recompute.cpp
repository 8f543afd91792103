#include "core/nn/recompute.h"

#include "core/nn/vit.h"
#include "core/tensor/device.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

namespace eosin::nn {
namespace {

Tensor leaf(uint64_t seed, at::IntArrayRef sizes) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed), at::TensorOptions()).requires_grad_();
}

TEST(Recomputed, KeepsOnlyItsInputAndGivesTheSameGradients) {
  const Tensor x = leaf(1, {7, 5}), w = leaf(2, {11, 5}), frozen = leaf(3, {11}).detach();
  int64_t runs = 0;
  const auto part = [&](const Tensor& t) {
    ++runs;
    return at::gelu(at::linear(t, w, frozen)).softmax(-1);
  };
  const Tensor weights = leaf(4, {7, 11}).detach();
  (part(x) * weights).sum().backward();
  const Tensor to_x = x.grad().clone(), to_w = w.grad().clone();
  x.mutable_grad() = Tensor(), w.mutable_grad() = Tensor();

  runs = 0;
  const Tensor out = recomputed(x, {w, frozen}, part);
  EXPECT_EQ(runs, 1);
  (out * weights).sum().backward();
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(x.grad().equal(to_x));
  EXPECT_TRUE(w.grad().equal(to_w));
}

/// The first part of a network sees images, which need no gradient, and still trains.
TEST(Recomputed, TrainsItsParametersWhereItsInputNeedsNoGradient) {
  const Tensor x = leaf(1, {3, 5}).detach(), w = leaf(2, {2, 5});
  recomputed(x, {w}, [&](const Tensor& t) { return at::linear(t, w).square(); }).sum().backward();
  const Tensor found = w.grad().clone();
  w.mutable_grad() = Tensor();
  at::linear(x, w).square().sum().backward();
  EXPECT_TRUE(found.equal(w.grad()));
}

/// Of several inputs some need no gradient, of the outputs not all are used, of the parameters not all are read.
TEST(Recomputed, PassesSeveralTensorsInAndOut) {
  const Tensor x = leaf(1, {7, 5}), frozen = leaf(2, {7, 5}).detach(), w = leaf(3, {11, 5}), unused = leaf(4, {1});
  int64_t runs = 0;
  const TensorFunction part = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    ++runs;
    return {at::linear(in[0] * in[1], w), in[0].sin(), in[1].detach() + 1};
  };
  const auto loss = [](const std::vector<Tensor>& out) { return out[0].square().sum() + out[2].detach().sum(); };
  loss(part({x, frozen})).backward();
  const Tensor to_x = x.grad().clone(), to_w = w.grad().clone();
  x.mutable_grad() = Tensor(), w.mutable_grad() = Tensor();

  runs = 0;
  loss(recomputed({x, frozen}, {w, unused}, part)).backward();
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE(x.grad().equal(to_x));
  EXPECT_TRUE(w.grad().equal(to_w));
  EXPECT_FALSE(unused.grad().defined());
}

TEST(Recomputed, IsThePartItselfWithoutGradient) {
  const Tensor x = leaf(1, {3, 5});
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(recomputed(x, {}, [](const Tensor& t) { return t * 2; }).requires_grad());
}

TEST(Recomputed, RunsAgainUnderTheAutocastOfTheFirstTime) {
  const Tensor x = leaf(1, {3, 5}), w = leaf(2, {2, 5});
  std::vector<at::ScalarType> types;
  Tensor out;
  {
    const device::Autocast autocast(at::kCPU, at::kBFloat16);
    out = recomputed(x, {w}, [&](const Tensor& t) {
      const Tensor y = at::linear(t, w);
      types.push_back(y.scalar_type());
      return y;
    });
  }
  out.to(at::kFloat).sum().backward();
  EXPECT_EQ(types, (std::vector<at::ScalarType>{at::kBFloat16, at::kBFloat16}));
}

/// Gradients of every parameter of a transformer after one pass over two groups.
TensorMap gradients(bool grad_checkpointing, at::ScalarType precision) {
  VitConfig config;
  config.img_size = {21, 14};
  config.patch_size = 7, config.embed_dim = 24, config.depth = 3, config.num_heads = 2, config.mlp_hidden = 13;
  config.init_values = 0.3, config.qk_norm = true, config.mask_token = true;
  config.pos_embed_covers = "none", config.rope.enabled = true;
  config.drop_path_rate = 0.4, config.drop_path_uniform = true;
  config.grad_checkpointing = grad_checkpointing;
  Vit vit(config);
  vit->init_weights(5);
  VitPass pass;
  pass.drop_path = DropPathKey{3, 17};
  pass.masks_BN = {at::arange(5 * 6).view({5, 6}).remainder(4) == 0, Tensor()};
  std::vector<Tensor> features;
  {
    const device::Autocast autocast(at::kCPU, precision);
    features = vit->forward_features({leaf(8, {5, 3, 21, 14}).detach(), leaf(9, {3, 3, 7, 14}).detach()}, pass);
  }
  (features[0].to(at::kFloat).pow(3).sum() + features[1].to(at::kFloat).square().sum()).backward();
  TensorMap grads;
  for (const auto& item : vit->named_parameters()) grads.emplace(item.key(), item.value().grad());
  return grads;
}

TEST(Vit, GradCheckpointingChangesNoBitOfTheGradients) {
  for (const auto precision : {at::kFloat, at::kBFloat16}) {
    const TensorMap plain = gradients(false, precision), again = gradients(true, precision);
    ASSERT_EQ(plain.size(), again.size());
    for (const auto& [name, grad] : plain) {
      ASSERT_TRUE(grad.defined()) << name;
      EXPECT_TRUE(grad.equal(again.at(name))) << name;
      EXPECT_GT(grad.abs().max().item<double>(), 0) << name;
    }
  }
}

}  // namespace
}  // namespace eosin::nn
