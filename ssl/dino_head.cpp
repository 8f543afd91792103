#include "ssl/dino_head.h"

#include "core/base/error.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

namespace eosin::ssl {
namespace {

using torch::nn::BatchNorm1d;
using torch::nn::BatchNorm1dImpl;
using torch::nn::BatchNorm1dOptions;
using torch::nn::Linear;
using torch::nn::LinearImpl;

/// Divided by max(norm, 1e-12).
Tensor normalised(const Tensor& x) { return x / x.norm(2, -1, true).clamp_min(1e-12); }

}  // namespace

DinoHeadImpl::DinoHeadImpl(const DinoHeadShape& shape) : shape_(shape) {
  for (const int64_t size : {shape.in_dim, shape.hidden_dim, shape.bottleneck_dim, shape.n_prototypes, shape.layers})
    EOSIN_CHECK(size > 0, Config, "[dino_head] a size is {} (need at least 1)", size);
  if (shape.layers == 1) {
    layers_.push_back(register_module("mlp", Linear(shape.in_dim, shape.bottleneck_dim)));
  } else {
    // The numbers count the activations too, as in a Sequential.
    const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>("mlp"));
    int64_t number = 0;
    for (int64_t i = 0; i < shape.layers; ++i) {
      const bool last = i + 1 == shape.layers;
      const int64_t in = i == 0 ? shape.in_dim : shape.hidden_dim, out = last ? shape.bottleneck_dim : shape.hidden_dim;
      layers_.push_back(mlp->register_module(std::to_string(number), Linear(in, out)));
      if (last) break;
      if (shape.use_bn) {
        const auto options = BatchNorm1dOptions(out).track_running_stats(false);
        layers_.push_back(mlp->register_module(std::to_string(++number), BatchNorm1d(options)));
      }
      number += 2;
    }
  }
  const auto last = register_module("last_layer", std::make_shared<torch::nn::Module>("last_layer"));
  const Tensor prototypes = torch::empty({shape.n_prototypes, shape.bottleneck_dim});
  if (!shape.weight_norm) {
    weight_ = last->register_parameter("weight", prototypes);
    return;
  }
  weight_g_ = last->register_parameter("weight_g", torch::ones({shape.n_prototypes, 1}), !shape.freeze_g);
  weight_v_ = last->register_parameter("weight_v", prototypes);
}

void DinoHeadImpl::init_weights(uint64_t seed, const std::string& head) {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    const std::string name = head + "." + item.key();
    const Tensor& p = item.value();
    if (p.is_same(weight_g_))
      p.fill_(1);
    else if (p.is_same(weight_v_))
      nn::init_fan_in(p, shape_.bottleneck_dim, seed, name);
    else if (p.dim() == 2)
      nn::init_normal(p, 0.02, seed, name);
    else
      p.fill_(name.back() == 't' ? 1 : 0);  // batch norm's weight; biases
  }
}

Tensor DinoHeadImpl::project(const Tensor& x_ND) {
  Tensor x = x_ND;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (auto* bn = layers_[i]->as<BatchNorm1dImpl>()) {
      x = bn->forward(x);
      continue;
    }
    const bool activated = i > 0;  // every linear but the first follows a GELU
    x = layers_[i]->as<LinearImpl>()->forward(activated ? at::gelu(x) : x);
  }
  return normalised(x);
}

Tensor DinoHeadImpl::prototypes() { return shape_.weight_norm ? at::_weight_norm(weight_v_, weight_g_, 0) : weight_; }

}  // namespace eosin::ssl
