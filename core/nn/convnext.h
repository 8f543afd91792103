#pragma once
// ConvNeXt (Liu et al. 2022, arXiv:2201.03545) with timm's state-dict names: stages.0.blocks.0.conv_dw.weight ...
#include "core/nn/backbone.h"
#include "core/nn/mlp.h"

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

/// x + gamma * mlp(norm(depthwise 7x7 of x)), by batch subset with stochastic depth.
class ConvNextBlockImpl : public torch::nn::Module {
 public:
  ConvNextBlockImpl(const ConvNextConfig& config, int64_t dim, int64_t number);
  Tensor forward(const Tensor& x_BCHW, const GroupDropPath& drop_path);

 private:
  int64_t number_;
  double drop_rate_;
  torch::nn::Conv2d conv_dw{nullptr};
  torch::nn::LayerNorm norm{nullptr};
  Mlp mlp{nullptr};
  Tensor gamma;
};
TORCH_MODULE(ConvNextBlock);

/// Features are the normed mean over the last stage's grid, as in timm; its positions, each 32 pixels a side and normed by the same norm
/// (DINOv3, arXiv:2508.10104), are the patches.
///
/// Errors   Shape if a side is below 32 pixels or no multiple of 4.
/// Checked  tests/nn/test_backbones.cpp; tests/python/backbone_parity.py: timm's features.
class ConvNextImpl : public Backbone {
 public:
  explicit ConvNextImpl(const ConvNextConfig& config);

  ModelConfig description() const override { return config_; }
  /// Convolutions and linears: normal 0.02; LayerScale as configured; biases 0.
  void init_weights(uint64_t seed) override;
  std::vector<ImageTokens> encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;
  std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;

 private:
  struct Step {  // norm and convolution in the order in which they come
    torch::nn::LayerNorm norm{nullptr};
    torch::nn::Conv2d conv{nullptr};
  };
  Tensor last_stage(const Tensor& images_BCHW, const GroupDropPath& drop_path);

  ConvNextConfig config_;
  std::vector<Step> shrinks_;  // the stem, then what comes before each later stage
  std::vector<torch::nn::ModuleList> stages_;
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(ConvNext);

}  // namespace eosin::nn
