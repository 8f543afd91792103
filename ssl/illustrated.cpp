#include "ssl/illustrated.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor hide_patches(const Tensor& images_BCHW, const Tensor& mask_BN, int64_t patch_size) {
  const int64_t rows = images_BCHW.size(2) / patch_size, cols = images_BCHW.size(3) / patch_size;
  const Tensor pixels = mask_BN.to(at::kBool).view({-1, 1, rows, cols}).repeat_interleave(patch_size, 2).repeat_interleave(patch_size, 3);
  return images_BCHW.masked_fill(pixels, 0.0);
}

Illustration illustrate_masks(const data::ViewBatch& batch, const Tensor& masks_BN, int64_t patch_size) {
  Illustration sheet{"masks", "global crops, each beside what the student sees of it", {}};
  const std::vector<Tensor> masks = masks_BN.chunk(2);
  for (size_t crop = 0; crop < masks.size(); ++crop) {
    const Tensor& view = batch.views_BCHW[crop];
    sheet.columns_BCHW.push_back(view);
    sheet.columns_BCHW.push_back(hide_patches(view, masks[crop], patch_size));
  }
  return sheet;
}

}  // namespace eosin::ssl
