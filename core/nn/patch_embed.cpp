#include "core/nn/patch_embed.h"

#include "core/base/error.h"

namespace eosin::nn {

PatchEmbedImpl::PatchEmbedImpl(int64_t in_chans, int64_t embed_dim, int64_t patch_size)
    : in_chans_(in_chans),
      patch_size_(patch_size),
      proj(register_module("proj", torch::nn::Conv2d(torch::nn::Conv2dOptions(in_chans, embed_dim, patch_size).stride(patch_size)))) {}

PatchGrid PatchEmbedImpl::grid(int64_t height, int64_t width) const {
  for (const int64_t side : {height, width}) {
    const int64_t smaller = side / patch_size_ * patch_size_;
    EOSIN_CHECK(side > 0 && side % patch_size_ == 0, Shape,
                "[patch_embed] an image of {}x{} does not divide into patches of {} (got a side of {}, need a multiple of {}); nearest: {} or {}",
                height, width, patch_size_, side, patch_size_, smaller > 0 ? smaller : patch_size_, smaller + patch_size_);
  }
  return {height / patch_size_, width / patch_size_};
}

Tensor PatchEmbedImpl::forward(const Tensor& images_BCHW) {
  EOSIN_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == in_chans_, Shape, "[patch_embed] images of shape [{}] (need [B, {}, H, W])",
              fmt::join(images_BCHW.sizes().vec(), ", "), in_chans_);
  EOSIN_CHECK(images_BCHW.size(0) > 0, Shape, "[patch_embed] the batch has 0 images (need at least 1)");
  grid(images_BCHW.size(2), images_BCHW.size(3));
  return proj(images_BCHW).flatten(2).transpose(1, 2);
}

}  // namespace eosin::nn
