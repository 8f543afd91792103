#include "core/nn/backbone.h"

#include "core/nn/vit.h"

#include <ATen/ATen.h>

namespace eosin::nn {

Tensor ImageTokens::mean_patch() const {
  if (!size_BN1.defined()) return patches_BND.mean(1);
  const Tensor weight = size_BN1.to(patches_BND.scalar_type());
  return (patches_BND * weight).sum(1) / weight.sum(1);
}

namespace {

std::shared_ptr<Backbone> make(const VitConfig& config, const std::shared_ptr<Comm>&) { return std::make_shared<VitImpl>(config); }

}  // namespace

std::shared_ptr<Backbone> make_backbone(const ModelConfig& model, std::shared_ptr<Comm> comm) {
  return std::visit([&](const auto& config) { return make(config, comm); }, model);
}

}  // namespace eosin::nn
