#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// int(N (1 - mask_ratio)): the patches of N that stay.
int64_t visible_count(int64_t patches, double mask_ratio);

/// Random masking of a masked autoencoder (He et al. 2021, arXiv:2111.06377): the patches with the smallest noise stay.
struct VisiblePatches {
  Tensor visible_BK;  // int64, in ascending order of noise
  Tensor restore_BN;  // int64: where each patch lies in [visible, removed]
  Tensor mask_BN;     // float32: 1 = removed
};
/// Shapes   noise_BN.
/// Errors   Config if nothing stays or nothing is removed (names the ratios that work).
/// Checked  golden ssl.mae; tests/ssl/test_mae.cpp.
VisiblePatches choose_visible(const Tensor& noise_BN, double mask_ratio);

}  // namespace eosin::ssl
