#include "ssl/mae_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor patchify(const Tensor& images_BCHW, int64_t p) {
  EOSIN_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(2) % p == 0 && images_BCHW.size(3) % p == 0, Shape,
              "[mae] images of [{}] do not divide into patches of {}", fmt::join(images_BCHW.sizes().vec(), ", "), p);
  const int64_t batch = images_BCHW.size(0), channels = images_BCHW.size(1), rows = images_BCHW.size(2) / p, cols = images_BCHW.size(3) / p;
  return images_BCHW.reshape({batch, channels, rows, p, cols, p}).permute({0, 2, 4, 3, 5, 1}).reshape({batch, rows * cols, p * p * channels});
}

Tensor unpatchify(const Tensor& patches_BNP, int64_t p, int64_t rows, int64_t cols) {
  const int64_t batch = patches_BNP.size(0), channels = patches_BNP.size(2) / (p * p);
  return patches_BNP.reshape({batch, rows, cols, p, p, channels}).permute({0, 5, 1, 3, 2, 4}).reshape({batch, channels, rows * p, cols * p});
}

PatchNorm patch_norm(const Tensor& patches_BNP) {
  const auto [variance, mean] = at::var_mean(patches_BNP, at::OptionalIntArrayRef({-1}), at::Scalar(1), /*keepdim=*/true);
  return {mean, (variance + 1e-6).sqrt()};
}

Tensor mae_loss(const Tensor& pred_BNP, const Tensor& patches_BNP, const Tensor& mask_BN, bool norm_pix) {
  EOSIN_CHECK(pred_BNP.dim() == 3 && pred_BNP.sizes() == patches_BNP.sizes() && mask_BN.sizes() == pred_BNP.sizes().slice(0, 2), Shape,
              "[mae] predictions [{}], patches [{}] and mask [{}] (need [B, N, P] twice and [B, N])", fmt::join(pred_BNP.sizes().vec(), ", "),
              fmt::join(patches_BNP.sizes().vec(), ", "), fmt::join(mask_BN.sizes().vec(), ", "));
  const FullPrecision full_precision;
  Tensor target = at_least_float(patches_BNP);
  if (norm_pix) {
    const PatchNorm norm = patch_norm(target);
    target = (target - norm.mean_BN1) / norm.deviation_BN1;
  }
  const Tensor error_BN = (at_least_float(pred_BNP) - target).square().mean(-1);
  return (error_BN * mask_BN).sum() / mask_BN.sum();
}

}  // namespace eosin::ssl
