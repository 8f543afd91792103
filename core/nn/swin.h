#pragma once
// Swin transformer (Liu et al. 2021, arXiv:2103.14030) with timm's state-dict names, and CTransPath's with a ConvStem (Wang et al. 2022,
// Medical Image Analysis 81).
#include "core/nn/backbone.h"
#include "core/nn/batch_norm.h"
#include "core/nn/mlp.h"
#include "core/nn/window_attention.h"

#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

/// Images to a normed grid of tokens, 4 pixels a side: `proj` is one convolution, or a ConvStem (Xiao 2021, arXiv:2106.14881), named as its
/// Sequential: two convolutions of 3 with stride 2, batch norm and ReLU, and one of 1.
///
/// Shapes   images_BCHW -> [B, H / 4, W / 4, D].
class SwinStemImpl : public torch::nn::Module {
 public:
  SwinStemImpl(const SwinConfig& config, const std::shared_ptr<Comm>& comm);
  Tensor forward(const Tensor& images_BCHW);

 private:
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<BatchNorm> norms_;
  torch::nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(SwinStem);

/// x + attention of norm1(x), then + mlp of norm2(x); each by batch subset with stochastic depth.
class SwinBlockImpl : public torch::nn::Module {
 public:
  /// `number` of all blocks; `index` in its stage: every second one has shifted windows, where the grid is larger than a window.
  SwinBlockImpl(const SwinConfig& config, size_t stage, int64_t index, int64_t number);
  Tensor forward(const Tensor& grid_BHWC, const GroupDropPath& drop_path);

 private:
  int64_t number_;
  double drop_rate_;
  torch::nn::LayerNorm norm1{nullptr}, norm2{nullptr};
  WindowAttention attn{nullptr};
  Mlp mlp{nullptr};
};
TORCH_MODULE(SwinBlock);

/// Four neighbours side by side, normed, and halved by a linear layer; an odd side is filled with zeros.
///
/// Shapes   grid_BHWC -> [B, ceil(H / 2), ceil(W / 2), 2 C].
class PatchMergingImpl : public torch::nn::Module {
 public:
  PatchMergingImpl(int64_t dim, double norm_eps);
  Tensor forward(const Tensor& grid_BHWC);

 private:
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::Linear reduction{nullptr};
};
TORCH_MODULE(PatchMerging);

/// Features are the mean of the last stage's normed tokens, 32 pixels a side, which are the patches.
///
/// Windows and shifts are chosen for config.img_size, as in timm; other sizes are filled up to whole windows.
/// Errors   Shape if a side is no multiple of 4.
/// Checked  tests/nn/test_backbones.cpp; tests/python/backbone_parity.py: features of timm, and of CTransPath's code.
class SwinImpl : public Backbone {
 public:
  SwinImpl(const SwinConfig& config, const std::shared_ptr<Comm>& comm);

  ModelConfig description() const override { return config_; }
  /// Linears and relative positions: normal 0.02, biases 0; convolutions: torch's default.
  void init_weights(uint64_t seed) override;
  std::vector<ImageTokens> encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;
  std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;

 private:
  struct Stage {
    PatchMerging downsample{nullptr};  // none before the first
    torch::nn::ModuleList blocks{nullptr};
  };
  Tensor last_stage(const Tensor& images_BCHW, const GroupDropPath& drop_path);

  SwinConfig config_;
  SwinStem patch_embed{nullptr};
  std::vector<Stage> stages_;
  torch::nn::LayerNorm norm{nullptr};
};
TORCH_MODULE(Swin);

}  // namespace eosin::nn
