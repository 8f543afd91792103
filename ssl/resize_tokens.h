#pragma once
#include "core/nn/pos_embed.h"

namespace eosin::ssl {

/// Patch tokens of one grid on another (bicubic, corners not aligned, no antialias); the same grid leaves them as they are.
///
/// Shapes   tokens_BND, N = from.count() -> [B, to.count(), D].
Tensor resize_tokens(const Tensor& tokens_BND, nn::PatchGrid from, nn::PatchGrid to);

}  // namespace eosin::ssl
