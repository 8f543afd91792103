#pragma once
// Which patches of a batch's global crops are masked, and how a loss over them is weighted.
#include "core/base/rng.h"
#include "ssl/block_mask.h"

#include <c10/core/Device.h>

#include <functional>
#include <vector>

namespace eosin::ssl {

/// How much is masked: a share of the crops, each with a ratio from low to high.
struct MaskShare {
  double probability = 0.5;
  std::vector<double> ratio = {0.1, 0.5};
};

/// Masked patches of every crop of a batch before the crops are shuffled; at most `upper_bound` in all, whatever is drawn.
struct MaskCounts {
  std::vector<int64_t> counts;
  int64_t upper_bound = 0;
};
/// DINOv2's way: the first n = int(crops * probability) crops are masked, the i-th with a ratio from the i-th of n equal bins; one draw each.
///
/// Checked  golden ssl.mask_batch.
MaskCounts mask_counts(int64_t crops, int64_t patches, const MaskShare& share, const Draw& draw);

/// Masks of N patches for B crops, and the masked patches as a list.
struct PatchMasks {
  Tensor masks_BN;   // bool
  Tensor indices_M;  // of the masked patches in [B * N], ascending
  Tensor weights_M;  // 1 / (masked patches of the same crop), float32
  int64_t crops() const { return masks_BN.size(0); }
};
PatchMasks patch_masks(const Tensor& masks_BN);
/// Those of all patches that are masked, in the order of indices_M.
///
/// Shapes   patches_BND, or [B * N, D]; returns [M, D].
Tensor masked_rows(const Tensor& patches_BND, const PatchMasks& masks);
PatchMasks to_device(const PatchMasks& masks, c10::Device device);
/// Crop j gets the mask of counts[order[j]] patches that `mask_of` makes, one call a crop in the order of `counts`.
PatchMasks shuffled_masks(const std::vector<int64_t>& counts, const std::vector<int64_t>& order, const std::function<Tensor(int64_t count)>& mask_of);

/// Masks of one batch as DINOv2 draws them, in blocks; `complete`: each has exactly as many patches as were asked for.
PatchMasks draw_batch_masks(int64_t crops, const BlockMaskShape& blocks, const MaskShare& share, bool complete, RandomStream stream);

/// One crop's mask as iBOT draws it: with `share.probability` a ratio from low to high, else none.
///
/// Shapes   [rows, cols] bool.
Tensor draw_crop_mask(const BlockMaskShape& blocks, const MaskShare& share, RandomStream stream);

}  // namespace eosin::ssl
