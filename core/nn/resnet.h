#pragma once
// Residual networks ResNet-18 to 101 (He et al. 2016, arXiv:1512.03385) with torchvision's and timm's state-dict names: layer1.0.conv1.weight ...
#include "core/nn/backbone.h"
#include "core/nn/batch_norm.h"

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>

namespace eosin::nn {

/// x + branch, then ReLU; the branch is two convolutions (basic) or three (bottleneck, its stride in the second), each with batch norm. Where
/// sizes differ, x goes through `downsample`: a convolution of 1 and a batch norm.
class ResNetBlockImpl : public torch::nn::Module {
 public:
  ResNetBlockImpl(bool bottleneck, int64_t in, int64_t width, int64_t out, int64_t stride, const std::shared_ptr<Comm>& comm);
  Tensor forward(const Tensor& x_BCHW);

 private:
  torch::nn::Conv2d conv1{nullptr}, conv2{nullptr}, conv3{nullptr}, downsample_conv_{nullptr};
  BatchNorm bn1{nullptr}, bn2{nullptr}, bn3{nullptr}, downsample_norm_{nullptr};
};
TORCH_MODULE(ResNetBlock);

/// Features are the mean over the last stage's grid; its positions, each 32 pixels a side, are the patches.
///
/// Batch norms see one group (crops of one size) at a time, over all ranks; running averages are buffers, which evaluation uses. There is no
/// stochastic depth.
/// Checked  tests/nn/test_backbones.cpp; tests/python/backbone_parity.py: timm's features.
class ResNetImpl : public Backbone {
 public:
  ResNetImpl(const ResNetConfig& config, const std::shared_ptr<Comm>& comm);

  ModelConfig description() const override { return config_; }
  /// Convolutions: normal of variance 2 / fan_out (He 2015, arXiv:1502.01852); norms 1 and 0, the last of each block 0 and 0
  /// (Goyal 2017, arXiv:1706.02677).
  void init_weights(uint64_t seed) override;
  std::vector<ImageTokens> encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;
  std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;

 private:
  Tensor last_stage(const Tensor& images_BCHW);

  ResNetConfig config_;
  torch::nn::Conv2d conv1{nullptr};
  BatchNorm bn1{nullptr};
  std::vector<torch::nn::ModuleList> stages_;
};
TORCH_MODULE(ResNet);

}  // namespace eosin::nn
