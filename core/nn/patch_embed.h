#pragma once
// Patch embedding of a vision transformer.
#include "core/nn/pos_embed.h"

#include <torch/nn/modules/conv.h>

#include <optional>

namespace eosin::nn {

/// Images to patch tokens: a convolution with kernel and stride patch_size, flattened row-major. Parameters `proj.{weight,bias}`.
/// At another patch size q the kernel is resampled (FlexiViT: core/nn/patch_embed_resample.h), with gradients to the kernel.
///
/// Shapes   images_BCHW -> tokens_BND, N = (H / q) * (W / q).
/// Errors   Shape if a side is not a multiple of the patch size (names both and the nearest valid sizes).
class PatchEmbedImpl : public torch::nn::Module {
 public:
  PatchEmbedImpl(int64_t in_chans, int64_t embed_dim, int64_t patch_size);
  Tensor forward(const Tensor& images_BCHW, std::optional<int64_t> patch_size = {});
  /// The patch grid of an image of this size.
  PatchGrid grid(int64_t height, int64_t width, std::optional<int64_t> patch_size = {}) const;

 private:
  int64_t in_chans_, patch_size_;
  torch::nn::Conv2d proj{nullptr};
};
TORCH_MODULE(PatchEmbed);

}  // namespace eosin::nn
