#pragma once
// Patches of pixels, and the loss of a masked autoencoder (He et al. 2021, arXiv:2111.06377).
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Patches as vectors in the order (row, column, channel).
///
/// Shapes   images_BCHW -> [B, (H / p) (W / p), p p C].
Tensor patchify(const Tensor& images_BCHW, int64_t patch_size);
/// Undoes patchify for images of `rows` x `cols` patches.
Tensor unpatchify(const Tensor& patches_BNP, int64_t patch_size, int64_t rows, int64_t cols);

/// Each patch less its mean, over its deviation: (t - mean) / sqrt(var + 1e-6), unbiased.
struct PatchNorm {
  Tensor mean_BN1, deviation_BN1;
};
PatchNorm patch_norm(const Tensor& patches_BNP);

/// Mean squared difference of predicted and true patches over the removed ones; `norm_pix`: true patches are normalised first. In float32 at least:
/// in half types many tokens overflow.
///
/// Shapes   pred_BNP, patches_BNP, mask_BN (1 = removed); returns a scalar.
/// Errors   Shape if they differ.
/// Checked  golden ssl.mae; tests/ssl/test_mae.cpp.
Tensor mae_loss(const Tensor& pred_BNP, const Tensor& patches_BNP, const Tensor& mask_BN, bool norm_pix);

}  // namespace eosin::ssl
