#pragma once
// Block-wise masks of a patch grid (BEiT, arXiv:2106.08254; iBOT; DINOv2).
#include "core/nn/pos_embed.h"

#include <functional>

namespace eosin::ssl {

/// The next number of [0, 1).
using Draw = std::function<double()>;

struct BlockMaskShape {
  nn::PatchGrid grid;
  int64_t min_num_patches = 4;  // of a block, as its area is drawn
  int64_t max_num_patches = 0;  // that a block may add
  double min_aspect = 0.3;      // height over width lies between this and its inverse
};
/// As DINOv2 sets it: blocks add at most half of the rows' patches.
BlockMaskShape dinov2_blocks(nn::PatchGrid grid);
/// As iBOT sets it: blocks of at least a ninth of the grid's square, as large as may be.
BlockMaskShape ibot_blocks(nn::PatchGrid grid);

/// Rectangles are drawn until `target` patches are masked or ten in a row do not fit; never more than `target`.
///
/// Shapes   [rows, cols] bool on the CPU.
/// Checked  golden ssl.block_mask; tests/ssl/test_block_mask.cpp: mean ratio and bounds over 10,000 draws.
Tensor block_mask(const BlockMaskShape& shape, int64_t target, const Draw& draw);

/// Masks the unmasked patches with the smallest keys until `target` are masked (DINOv3's exact top-up).
///
/// Shapes   mask_HW bool, keys_N float64, one a patch.
/// Errors   Shape if the keys are not one a patch.
void complete_mask(Tensor& mask_HW, int64_t target, const Tensor& keys_N);

}  // namespace eosin::ssl
