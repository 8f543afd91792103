#include "core/nn/backbone.h"

#include "core/base/error.h"
#include "core/nn/convnext.h"
#include "core/nn/resnet.h"
#include "core/nn/swin.h"
#include "core/nn/vit.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::nn {

Tensor ImageTokens::mean_patch() const {
  if (!size_BN1.defined()) return patches_BND.mean(1);
  const Tensor weight = size_BN1.to(patches_BND.scalar_type());
  return (patches_BND * weight).sum(1) / weight.sum(1);
}

void check_images(const Tensor& images_BCHW, int64_t in_chans, int64_t multiple, int64_t least) {
  EOSIN_CHECK(images_BCHW.dim() == 4 && images_BCHW.size(1) == in_chans, Shape, "[backbone] images of shape [{}] (need [B, {}, H, W])",
              fmt::join(images_BCHW.sizes().vec(), ", "), in_chans);
  EOSIN_CHECK(images_BCHW.size(0) > 0, Shape, "[backbone] the batch has 0 images (need at least 1)");
  for (const int64_t side : {images_BCHW.size(2), images_BCHW.size(3)}) {
    const int64_t smaller = std::max(side / multiple * multiple, least);
    EOSIN_CHECK(side >= least && side % multiple == 0, Shape,
                "[backbone] an image of {}x{} (need sides of at least {} that are multiples of {}); "
                "nearest: {} or {}",
                images_BCHW.size(2), images_BCHW.size(3), least, multiple, smaller, smaller + multiple);
  }
}

namespace {

std::shared_ptr<Backbone> make(const VitConfig& config, const std::shared_ptr<Comm>&) { return std::make_shared<VitImpl>(config); }
std::shared_ptr<Backbone> make(const ResNetConfig& config, const std::shared_ptr<Comm>& comm) { return std::make_shared<ResNetImpl>(config, comm); }
std::shared_ptr<Backbone> make(const ConvNextConfig& config, const std::shared_ptr<Comm>&) { return std::make_shared<ConvNextImpl>(config); }
std::shared_ptr<Backbone> make(const SwinConfig& config, const std::shared_ptr<Comm>& comm) { return std::make_shared<SwinImpl>(config, comm); }

}  // namespace

std::shared_ptr<Backbone> make_backbone(const ModelConfig& model, std::shared_ptr<Comm> comm) {
  return std::visit([&](const auto& config) { return make(config, comm); }, model);
}

}  // namespace eosin::nn
