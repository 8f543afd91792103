#include "ssl/mixing.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

constexpr int64_t kHeight = 11, kWidth = 13;

Mix drawn(const MixConfig& config, int64_t batch, int64_t first, uint32_t view = 0) {
  return draw_mix(config, batch, kHeight, kWidth, 5, first, view);
}

TEST(Mixing, NeighboursAreMixedWithOneAnother) {
  const MixConfig mixup{0.8, 0, 1, 0.5};
  const Mix mix = drawn(mixup, 6, 4);
  EXPECT_EQ(mix.partner, (std::vector<int64_t>{1, 0, 3, 2, 5, 4}));
  const Tensor view = at::randn({6, 3, kHeight, kWidth}, at::kDouble), pictures = mix.pictures(view);
  for (int64_t i = 0; i < 6; ++i) {
    const double share = mix.share_B[i].item<double>();
    EXPECT_EQ(share, mix.share_B[i ^ 1].item<double>());
    EXPECT_TRUE(pictures[i].allclose(share * view[i] + (1 - share) * view[i ^ 1]));
  }
  const Tensor targets = mix.targets(at::tensor({0, 2, 1, 1, 2, 0}, at::kLong), 3);
  EXPECT_TRUE(targets.sum(1).allclose(at::ones({6}, at::kDouble)));
  EXPECT_EQ(targets[0][2].item<double>(), 1 - mix.share_B[0].item<double>());
  EXPECT_EQ(targets[2][1].item<double>(), 1);
}

TEST(Mixing, SharesFollowTheBetaDistribution) {
  for (const double alpha : {0.2, 0.8, 3.0}) {
    const Tensor share = drawn({alpha, 0, 1, 0.5}, 4000, 0).share_B.slice(0, 0, 4000, 2);
    EXPECT_NEAR(share.mean().item<double>(), 0.5, 0.03) << alpha;
    EXPECT_NEAR(share.var().item<double>(), 1 / (4 * (2 * alpha + 1)), 0.02) << alpha;  // of Beta(alpha, alpha)
  }
  EXPECT_TRUE(drawn({1e-3, 0, 1, 0.5}, 100, 0).share_B.isfinite().all().item<bool>());
}

TEST(Mixing, CutMixTakesABoxAndCountsItsPixels) {
  const MixConfig cutmix{0, 1, 1, 0.5};
  const Mix mix = drawn(cutmix, 1000, 0);
  const Tensor weight = mix.weight_B1HW;
  EXPECT_TRUE(weight.eq(0).logical_or(weight.eq(1)).all().item<bool>());
  EXPECT_TRUE(mix.share_B.allclose(weight.mean({1, 2, 3})));
  for (int64_t i = 0; i < 200; i += 2) {  // zeros are a rectangle
    const Tensor out = weight[i][0].eq(0);
    const int64_t rows = out.any(1).sum().item<int64_t>(), cols = out.any(0).sum().item<int64_t>();
    EXPECT_EQ(out.sum().item<int64_t>(), rows * cols);
  }
  EXPECT_LT(mix.share_B.min().item<double>(), 0.3);
}

TEST(Mixing, ProbabilityAndShareOfTheTwoWays) {
  const auto cut = [](const Mix& m) { return m.weight_B1HW.eq(0).flatten(1).any(1).to(at::kDouble).mean().item<double>(); };
  const Mix half = drawn({1, 0, 0.5, 0.5}, 2000, 0);
  EXPECT_NEAR(half.share_B.eq(1).to(at::kDouble).mean().item<double>(), 0.5, 0.06);
  EXPECT_NEAR(cut(drawn({1, 1, 1, 0.25}, 2000, 0)), 0.25, 0.06);
  EXPECT_FALSE((MixConfig{0, 0, 1, 0.5}.on()));
}

TEST(Mixing, RanksDrawWhatOneProcessDoes) {
  const MixConfig both{0.8, 1, 1, 0.5};
  const Mix whole = drawn(both, 8, 16), second = drawn(both, 4, 20);
  EXPECT_TRUE(second.weight_B1HW.equal(whole.weight_B1HW.slice(0, 4)));
  EXPECT_FALSE(drawn(both, 8, 16, 1).weight_B1HW.equal(whole.weight_B1HW));
  const Mix odd = drawn(both, 3, 21);  // the first one's partner is on another rank
  EXPECT_EQ(odd.partner, (std::vector<int64_t>{0, 2, 1}));
  EXPECT_EQ(odd.share_B[0].item<double>(), 1);
}

}  // namespace
}  // namespace eosin::ssl
