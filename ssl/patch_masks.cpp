#include "ssl/patch_masks.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <numeric>

namespace eosin::ssl {
namespace {

Draw draws_of(RandomStream& stream) {
  return [&stream] { return stream.uniform_double(); };
}

std::vector<int64_t> shuffle(int64_t count, RandomStream& stream) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[stream.below(static_cast<uint32_t>(i))]);
  return order;
}

Tensor draw_keys(int64_t count, RandomStream& stream) {
  Tensor keys = at::empty({count}, at::kDouble);
  double* out = keys.mutable_data_ptr<double>();
  for (int64_t i = 0; i < count; ++i) out[i] = stream.uniform_double();
  return keys;
}

}  // namespace

/// In float32 throughout, as the reference's tensors of bounds make it.
MaskCounts mask_counts(int64_t crops, int64_t patches, const MaskShare& share, const Draw& draw) {
  EOSIN_CHECK(share.ratio.size() == 2, Shape, "[masks] a range of ratios has {} numbers (need low and high)", share.ratio.size());
  const auto masked = static_cast<int64_t>(static_cast<double>(crops) * share.probability);
  const Tensor bounds = at::linspace(share.ratio[0], share.ratio[1], masked + 1, at::kFloat);
  const float* p = bounds.const_data_ptr<float>();
  const auto n = static_cast<float>(patches);
  MaskCounts out;
  for (int64_t i = 0; i < masked; ++i) {
    out.counts.push_back(static_cast<int64_t>(n * (p[i] + (p[i + 1] - p[i]) * static_cast<float>(draw()))));
    out.upper_bound += static_cast<int64_t>(n * p[i + 1]);
  }
  out.counts.resize(static_cast<size_t>(crops), 0);
  return out;
}

PatchMasks patch_masks(const Tensor& masks_BN) {
  EOSIN_CHECK(masks_BN.dim() == 2 && masks_BN.scalar_type() == at::kBool, Shape, "[masks] masks of [{}], {} (need [B, N] bool)",
              fmt::join(masks_BN.sizes().vec(), ", "), c10::toString(masks_BN.scalar_type()));
  const Tensor weights_B1 = masks_BN.sum(1, true).clamp_min(1).to(at::kFloat).reciprocal();
  const Tensor indices_M = masks_BN.flatten().nonzero().flatten();
  return {masks_BN, indices_M, weights_B1.expand_as(masks_BN).flatten().index_select(0, indices_M)};
}

Tensor masked_rows(const Tensor& patches_BND, const PatchMasks& masks) { return patches_BND.flatten(0, -2).index_select(0, masks.indices_M); }

PatchMasks to_device(const PatchMasks& masks, c10::Device device) {
  const auto there = [device](const Tensor& t) { return t.to(device, /*non_blocking=*/true); };
  return {there(masks.masks_BN), there(masks.indices_M), there(masks.weights_M)};
}

PatchMasks shuffled_masks(const std::vector<int64_t>& counts, const std::vector<int64_t>& order,
                          const std::function<Tensor(int64_t count)>& mask_of) {
  EOSIN_ASSERT(counts.size() == order.size());
  std::vector<Tensor> masks;
  for (const int64_t count : counts) masks.push_back(mask_of(count).flatten());
  return patch_masks(at::stack(masks).index_select(0, at::tensor(order, at::kLong)));
}

PatchMasks draw_batch_masks(int64_t crops, const BlockMaskShape& blocks, const MaskShare& share, bool complete, RandomStream stream) {
  const Draw draw = draws_of(stream);
  const MaskCounts wanted = mask_counts(crops, blocks.grid.count(), share, draw);
  const std::vector<int64_t> order = shuffle(crops, stream);
  return shuffled_masks(wanted.counts, order, [&](int64_t count) {
    Tensor mask_HW = block_mask(blocks, count, draw);
    if (complete && count > 0) complete_mask(mask_HW, count, draw_keys(blocks.grid.count(), stream));
    return mask_HW;
  });
}

Tensor draw_crop_mask(const BlockMaskShape& blocks, const MaskShare& share, RandomStream stream) {
  const Draw draw = draws_of(stream);
  if (draw() >= share.probability) return at::zeros({blocks.grid.rows, blocks.grid.cols}, at::kBool);
  const double ratio = share.ratio[0] + (share.ratio[1] - share.ratio[0]) * draw();
  return block_mask(blocks, static_cast<int64_t>(ratio * static_cast<double>(blocks.grid.count())), draw);
}

}  // namespace eosin::ssl
