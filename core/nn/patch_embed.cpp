#include "core/nn/patch_embed.h"

#include "core/base/error.h"
#include "core/nn/patch_embed_resample.h"

#include <ATen/ATen.h>

namespace eosin::nn {

PatchEmbedImpl::PatchEmbedImpl(int64_t in_chans, int64_t embed_dim, int64_t patch_size)
    : in_chans_(in_chans),
      patch_size_(patch_size),
      proj(register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(in_chans, embed_dim, patch_size).stride(patch_size)))) {}

PatchGrid PatchEmbedImpl::grid(int64_t height, int64_t width, std::optional<int64_t> patch_size) const {
  const int64_t patch = patch_size.value_or(patch_size_);
  for (const int64_t side : {height, width}) {
    const int64_t smaller = side / patch * patch;
    EOSIN_CHECK(side > 0 && side % patch == 0, Shape,
                "[patch_embed] an image of {}x{} does not divide into patches of {} (got a side of {}, need a multiple of {}); nearest: {} or {}",
                height, width, patch, side, patch, smaller > 0 ? smaller : patch, smaller + patch);
  }
  return {height / patch, width / patch};
}

Tensor PatchEmbedImpl::forward(const Tensor& images_BCHW, std::optional<int64_t> patch_size) {
  EOSIN_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == in_chans_, Shape, "[patch_embed] images of shape [{}] (need [B, {}, H, W])",
              fmt::join(images_BCHW.sizes().vec(), ", "), in_chans_);
  EOSIN_CHECK(images_BCHW.size(0) > 0, Shape, "[patch_embed] the batch has 0 images (need at least 1)");
  grid(images_BCHW.size(2), images_BCHW.size(3), patch_size);
  const int64_t patch = patch_size.value_or(patch_size_);
  if (patch == patch_size_) return proj(images_BCHW).flatten(2).transpose(1, 2);
  const Tensor kernel = resample_patch_embed(proj->weight, {patch, patch});
  return at::conv2d(images_BCHW, kernel, proj->bias, patch).flatten(2).transpose(1, 2);
}

}  // namespace eosin::nn
