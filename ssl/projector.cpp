#include "ssl/projector.h"

#include "core/base/error.h"
#include "core/nn/batch_norm.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

namespace eosin::ssl {

using torch::nn::LinearImpl;

ProjectorImpl::ProjectorImpl(const ProjectorShape& shape, std::shared_ptr<Comm> comm) : shape_(shape) {
  EOSIN_ASSERT(shape.layers > 0);
  for (int64_t i = 0, number = 0; i < shape.layers; ++i, number += 3) {
    const bool last = i + 1 == shape.layers;
    const int64_t in = i == 0 ? shape.in_dim : shape.hidden_dim, out = last ? shape.out_dim : shape.hidden_dim;
    const auto options = torch::nn::LinearOptions(in, out).bias(last && shape.last_bias);
    layers_.push_back(register_module(std::to_string(number), torch::nn::Linear(options)));
    if (last && shape.last_norm == ProjectorShape::LastNorm::kNone) break;
    const bool affine = !last || shape.last_norm == ProjectorShape::LastNorm::kAffine;
    layers_.push_back(register_module(std::to_string(number + 1), nn::BatchNorm(out, comm, nn::BatchNormOptions{affine})));
  }
}

void ProjectorImpl::init_weights(uint64_t seed, const std::string& name) {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_children())
    if (auto* linear = item.value()->as<LinearImpl>())
      for (const auto& p : linear->named_parameters())
        nn::init_fan_in(p.value(), linear->weight.size(1), seed, fmt::format("{}.{}.{}", name, item.key(), p.key()));
}

Tensor ProjectorImpl::forward(const Tensor& x_ND) {
  Tensor x = x_ND;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (auto* norm = layers_[i]->as<nn::BatchNormImpl>()) {
      x = norm->forward(x);
      continue;
    }
    if (i > 0) x = shape_.gelu ? at::gelu(x) : at::relu(x);
    x = layers_[i]->as<LinearImpl>()->forward(x);
  }
  return x;
}

}  // namespace eosin::ssl
