#pragma once
#include "core/tensor/tensor.h"
#include "data/batch.h"

namespace eosin::ssl {

/// One uniform draw for every patch of `views` views of each tile, by (seed, position of the tile, view).
///
/// Shapes   [views * tiles, patches] float64, one row a view of a tile, in the order of the views.
Tensor patch_noise(const data::ViewBatch& batch, int64_t views, int64_t patches, uint64_t seed);

/// int(N (1 - mask_ratio)): the patches of N that stay.
int64_t visible_count(int64_t patches, double mask_ratio);

/// Random masking of a masked autoencoder (He et al. 2021, arXiv:2111.06377): the patches with the smallest noise stay.
struct VisiblePatches {
  Tensor visible_BK;  // int64, in ascending order of noise
  Tensor restore_BN;  // int64: where each patch lies in [visible, removed]
  Tensor mask_BN;     // float32: 1 = removed
  VisiblePatches to(c10::Device device) const;
};
/// Shapes   noise_BN.
/// Errors   Config if nothing stays or nothing is removed (names the ratios that work).
/// Checked  golden ssl.mae; tests/ssl/test_mae.cpp.
VisiblePatches choose_visible(const Tensor& noise_BN, double mask_ratio);

}  // namespace eosin::ssl
