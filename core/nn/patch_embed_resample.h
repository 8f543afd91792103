#pragma once
// FlexiViT: one patch-embedding kernel at another patch size.
#include "core/nn/pos_embed.h"

#include <string>

namespace eosin::nn {

/// Resizes a patch-embedding kernel so that it sees a resized patch as the old one saw the original (Beyer et al. 2023,
/// arXiv:2212.08013, eq. 4): w' = w pinv(R), R the matrix of the image resize old -> new.
///
/// Shapes   weight_OIHW -> [O, I, new_size.rows, new_size.cols].
/// Errors   Config if `interpolation` is neither "bicubic" nor "bilinear".
/// Differs  R is built in float32 as in the reference; singular values below max(rows, cols) * 1.19e-7 of the greatest count as zero,
///          else a side that grows while the other shrinks blows rounding noise up by 1e12. The inverse is computed in float64, once for each pair
///          of sizes.
/// Checked  golden nn.patch_embed_resample; tests/nn/test_embeddings.cpp.
Tensor resample_patch_embed(const Tensor& weight_OIHW, PatchGrid new_size, const std::string& interpolation = "bicubic", bool antialias = true);

}  // namespace eosin::nn
