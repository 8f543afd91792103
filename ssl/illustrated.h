#pragma once
// Methods that can show what they do to pictures.
#include "data/batch.h"

#include <string>
#include <vector>

namespace eosin::ssl {

/// Columns of one sheet, a row a tile: images in the views' normalisation. None: there is nothing to show.
struct Illustration {
  std::string name, caption;  // "mae_reconstruction", and what its columns are
  std::vector<Tensor> columns_BCHW;
};

/// Implemented beside Objective by methods that mask or predict pixels. Draws what a step on the batch would draw, changes nothing.
///
/// Checked  tests/ssl/test_illustrated.cpp; tests/apps/test_pictures.cpp: a run that is drawn ends with the same bits.
class Illustrated {
 public:
  virtual ~Illustrated() = default;
  virtual Illustration illustrate(const data::ViewBatch& batch) = 0;
};

/// The images with the marked patches in the mean colour.
///
/// Shapes   images_BCHW, mask_BN (patches row by row; true or 1 = hidden).
Tensor hide_patches(const Tensor& images_BCHW, const Tensor& mask_BN, int64_t patch_size);

/// Two global crops, each beside its masked form: what iBOT and DINOv2 show. `masks_BN` is crop-major.
Illustration illustrate_masks(const data::ViewBatch& batch, const Tensor& masks_BN, int64_t patch_size);

}  // namespace eosin::ssl
