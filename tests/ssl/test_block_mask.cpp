#include "core/base/error.h"
#include "ssl/patch_masks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace eosin::ssl {
namespace {

RandomStream stream(uint64_t position) { return {3, position, 0, RandomOp::kMask}; }

/// The share of masked patches in masked crops, over many batches of (0.1, 0.5) on 16 x 16; no crop has more than was asked for.
double mean_ratio(bool complete, int64_t crops) {
  constexpr int64_t kBatch = 64;
  const BlockMaskShape blocks = dinov2_blocks({16, 16});
  const Draw none = [] { return 0.999999; };
  int64_t masked = 0, patches = 0;
  for (int64_t drawn = 0; drawn < crops; drawn += kBatch) {
    const MaskShare share{1.0, {0.1, 0.5}};
    const PatchMasks masks = draw_batch_masks(kBatch, blocks, share, complete, stream(static_cast<uint64_t>(drawn)));
    EXPECT_LE(masks.indices_M.numel(), mask_counts(kBatch, 256, share, none).upper_bound);
    masked += masks.indices_M.numel();
    patches += masks.masks_BN.numel();
  }
  return static_cast<double>(masked) / static_cast<double>(patches);
}

TEST(BlockMask, MeanRatioOfTenThousandDraws) {
  EXPECT_NEAR(mean_ratio(true, 10'000), 0.297, 0.005);
  EXPECT_NEAR(mean_ratio(false, 10'000), 0.297, 0.005);
}

TEST(BlockMask, NeverAboveTheTargetAndExactWhenCompleted) {
  for (int64_t target = 0; target <= 63; target += 7) {
    RandomStream s = stream(static_cast<uint64_t>(target));
    Tensor mask = block_mask(dinov2_blocks({8, 8}), target, [&] { return s.uniform_double(); });
    EXPECT_LE(mask.sum().item<int64_t>(), target);
    const Tensor blocks = mask.clone();
    complete_mask(mask, target, at::rand({64}, at::kDouble));
    EXPECT_EQ(mask.sum().item<int64_t>(), target);
    EXPECT_TRUE(mask.logical_or(blocks).equal(mask));  // only added
  }
  Tensor mask = at::zeros({2, 3}, at::kBool);
  EXPECT_THROW(complete_mask(mask, 2, at::rand({5}, at::kDouble)), Error);
}

TEST(BlockMask, BoundsAreThoseOfTheReleasedCode) {
  EXPECT_EQ(dinov2_blocks({16, 16}).max_num_patches, 128);
  EXPECT_EQ(dinov2_blocks({14, 14}).max_num_patches, 98);
  EXPECT_EQ(ibot_blocks({14, 14}).min_num_patches, 16);
}

TEST(PatchMasks, HalfOfTheCropsAndWeightsOfOneACrop) {
  const PatchMasks masks = draw_batch_masks(11, dinov2_blocks({7, 5}), {0.5, {0.2, 0.6}}, true, stream(1));
  const Tensor counts = masks.masks_BN.sum(1);
  EXPECT_EQ(counts.gt(0).sum().item<int64_t>(), 5);
  EXPECT_NEAR(masks.weights_M.sum().item<double>(), 5, 1e-5);
  EXPECT_TRUE(masks.masks_BN.flatten().index_select(0, masks.indices_M).all().item<bool>());
}

TEST(PatchMasks, AreAFunctionOfTheStreamAndShuffled) {
  const auto draw = [](uint64_t position) { return draw_batch_masks(16, dinov2_blocks({6, 6}), {0.5, {0.1, 0.5}}, true, stream(position)); };
  EXPECT_TRUE(draw(4).masks_BN.equal(draw(4).masks_BN));
  EXPECT_FALSE(draw(4).masks_BN.equal(draw(5).masks_BN));
  EXPECT_GT(draw(4).masks_BN.narrow(0, 8, 8).sum().item<int64_t>(), 0);  // not the first half alone
}

TEST(PatchMasks, NothingMaskedIsAnEmptyList) {
  const PatchMasks masks = draw_batch_masks(3, dinov2_blocks({4, 4}), {0.0, {0.1, 0.5}}, true, stream(1));
  EXPECT_EQ(masks.indices_M.numel(), 0);
  EXPECT_EQ(masks.weights_M.numel(), 0);
  EXPECT_THROW(patch_masks(at::ones({3, 4})), Error);
}

TEST(PatchMasks, IbotMasksCropsByChance) {
  int64_t masked = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    const int64_t count = draw_crop_mask(ibot_blocks({14, 14}), {0.5, {0.1, 0.5}}, stream(i)).sum().item<int64_t>();
    EXPECT_LE(count, 98);
    masked += count > 0;
  }
  EXPECT_NEAR(static_cast<double>(masked), 200, 50);
}

}  // namespace
}  // namespace eosin::ssl
