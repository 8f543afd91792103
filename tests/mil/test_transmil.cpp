#include "mil/nystrom_attention.h"

#include "core/base/error.h"
#include "mil/layers.h"
#include "tests/mil/make_head.h"

#include <gtest/gtest.h>

namespace eosin::mil {
namespace {

NystromOptions options(int64_t landmarks) {
  NystromOptions o;
  o.dim = 12, o.heads = 2, o.dim_head = 6, o.num_landmarks = landmarks, o.residual_conv_kernel = 3;
  return o;
}

Tensor attended(NystromOptions o, const Tensor& x) {
  NystromAttention attention(o);
  init_layers(*attention, "fan_in", 3);
  attention->to(at::kDouble);
  return attention(x);
}

TEST(NystromAttention, NearsExactAttentionWithItsLandmarks) {
  const Tensor t = at::arange(64, at::kDouble).unsqueeze(1) / 64, wave = at::arange(1, 13).to(at::kDouble);  // neighbours are alike
  const Tensor x = (2 * (t * wave + wave).sin()).unsqueeze(0);
  NystromOptions exact = options(1);
  exact.exact = true;
  const Tensor want = attended(exact, x);
  double last = 1e9;
  for (const int64_t landmarks : {4, 16, 64}) {
    NystromOptions o = options(landmarks);
    o.pinv_iterations = 30;
    const double error = (attended(o, x) - want).norm().item<double>();
    EXPECT_LT(error, last) << landmarks;
    last = error;
  }
  EXPECT_LT(last, 1e-6 * want.norm().item<double>());  // a landmark each token
}

TEST(NystromAttention, ScaledByBagsDoesNotCoupleThem) {
  const Tensor x = at::randn({2, 9, 12}, at::kDouble);
  for (const char* scale : {"bag", "head"}) {
    NystromOptions o = options(4);
    o.pinv_scale = scale;
    EXPECT_TRUE(at::allclose(attended(o, x)[1], attended(o, x.narrow(0, 1, 1))[0], 1e-12, 1e-12)) << scale;
  }
}

TEST(NystromAttention, MaskedPaddingDoesNotEnterALandmark) {
  const Tensor x = at::randn({1, 6, 12}, at::kDouble);
  NystromAttention attention(options(4));
  init_layers(*attention, "fan_in", 3);
  attention->to(at::kDouble);
  const Tensor all = at::ones({1, 6}, at::kBool);
  EXPECT_FALSE(at::allclose(attention(x), attention(x, all)));
  EXPECT_THROW(attention(x, all.narrow(1, 0, 5)), Error);
  NystromOptions even = options(4);
  even.residual_conv_kernel = 4;
  EXPECT_THROW(NystromAttention{even}, Error);
}

TEST(NystromAttention, RowOfAttentionIsItsAnswer) {
  NystromOptions o = options(4);
  o.residual = false;
  for (const bool exact : {false, true}) {
    o.exact = exact;
    NystromAttention attention(o);
    init_layers(*attention, "fan_in", 3);
    attention->to(at::kDouble);
    const Tensor x = at::randn({1, 8, 12}, at::kDouble);
    const auto weights = attention->named_parameters();
    const Tensor v = at::linear(x[0], weights["to_qkv.weight"].narrow(0, 24, 12)).view({8, 2, 6}).transpose(0, 1);
    const Tensor mixed = attention->attention_row(x, 2).unsqueeze(1).matmul(v).flatten();
    EXPECT_TRUE(at::allclose(at::linear(mixed, weights["to_out.0.weight"], weights["to_out.0.bias"]), attention(x)[0][2], 1e-9, 1e-9)) << exact;
  }
}

TEST(TransMil, OldReleaseAnswersOtherwise) {
  const std::vector<std::string> settings = {"head.dim=8", "head.heads=2", "head.num_landmarks=3", "head.residual_conv_kernel=3"};
  std::vector<std::string> old = settings;
  old.push_back("head.compat=transmil_0.0.9");
  const BagBatch bag = make_bags({7}, 5, 3);
  const auto a = make_small("transmil", settings, {5, 3}), b = make_small("transmil", old, {5, 3});
  a->to(at::kDouble), b->to(at::kDouble);
  EXPECT_FALSE(at::allclose(a->forward(bag, {}).logits_BC, b->forward(bag, {}).logits_BC));
  EXPECT_THROW(make_small("transmil", {"head.dim=12"}, {5, 3}), Error);
}

}  // namespace
}  // namespace eosin::mil
