#pragma once
// Vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929) with timm's state-dict names: blocks.0.attn.qkv.weight ...
#include "core/nn/backbone.h"
#include "core/nn/block.h"
#include "core/nn/patch_embed.h"
#include "core/nn/vit_config.h"

#include <torch/nn/modules/container/modulelist.h>

#include <functional>

namespace eosin::nn {

/// Options of one forward pass.
struct VitPass {
  /// Per group (or empty), [B, N] bool: patches whose embedding is replaced by the mask token, before positions are added.
  std::vector<Tensor> masks_BN;
  /// Per group (or empty), [B, K] int64: the patches that the blocks see, in this order; chosen after positions are added (MAE).
  std::vector<Tensor> visible_BK;
  /// FlexiViT: patches of this side in place of the model's; the kernel and the positions are resampled.
  std::optional<int64_t> patch_size;
  /// Stochastic depth and the changes of rotary coordinates are applied only when this is set.
  std::optional<DropPathKey> drop_path;
  /// Called after every block with the tokens of each group, before the final norm.
  std::function<void(size_t block, const std::vector<Tensor>& tokens_BND)> after_block;
};

/// Tokens are [class, registers, patches].
///
/// Shapes   a group of images is [B, C, H, W]; its tokens are [B, prefix + N, D]. Groups may differ in B and in size: global and
///          local crops go through norms and linears together and through attention group by group.
/// Errors   Shape: a side that is no multiple of the patch, another size than img_size without dynamic_img_size, an empty batch, a mask
///          or a choice of visible patches of another length (each names both numbers); visible patches beside rotary positions.
/// Checked  golden nn.vit, nn.vit_dinov2, nn.vit_dinov3, nn.vit_hf, nn.vit_tome; tests/nn/test_vit.cpp: gradcheck, groups equal single
///          passes, seeds.
class VitImpl : public Backbone {
 public:
  /// Config error from config.check(). The weights are torch's defaults until init_weights or load_weights.
  explicit VitImpl(const VitConfig& config);
  /// Linears, positions: normal 0.02; class and register tokens: normal 1e-6 (0.02 with rope, as DINOv3); patch convolution: torch's default; biases
  /// and mask token 0.
  void init_weights(uint64_t seed) override;

  const VitConfig& config() const { return config_; }
  ModelConfig description() const override { return config_; }

  /// Tokens after the last block, before the final norm. With token_merge the patches of a sequence are fewer, in another order.
  std::vector<Tensor> forward_prenorm(const std::vector<Tensor>& groups_BCHW, const VitPass& pass = {});
  /// The same with the number of tokens that each stands for; sizes are undefined without token_merge.
  std::vector<MergedTokens> forward_merged(const std::vector<Tensor>& groups_BCHW, const VitPass& pass = {});
  /// The final norm, where the model has one; with prefix_norm the tokens must begin with the prefix.
  Tensor normalise(const Tensor& tokens);
  /// Normalised tokens of one batch of images.
  Tensor forward_tokens(const Tensor& images_BCHW, const VitPass& pass = {});
  /// The class tokens of the last `count` blocks, first to last, then the mean of the last one's patches, all through the final norm, side by side:
  /// what DINOv2's linear evaluation chooses its inputs from.
  ///
  /// Shapes   returns [B, (count + 1) D].
  /// Errors   Shape without a class token or with fewer blocks.
  /// Checked  tests/nn/test_vit.cpp: shallower models of the same weights.
  Tensor last_blocks(const Tensor& images_BCHW, int64_t count);
  /// The feature of each image from its normalised tokens: class token, mean of patch tokens, or both, then fc_norm; or by attention.
  Tensor pool(const Tensor& tokens_BND, const Tensor& size_BN1 = {});
  std::vector<ImageTokens> encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;
  /// Norms only what the pooling needs.
  std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const VitPass& pass);
  std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) override;

  /// Parts of tokens, as views.
  Tensor class_tokens(const Tensor& tokens_BND) const;
  Tensor register_tokens(const Tensor& tokens_BND) const;
  Tensor patch_tokens(const Tensor& tokens_BND) const;

 private:
  Tensor embed(const Tensor& images_BCHW, const VitPass& pass, size_t group);
  Tensor with_prefix(const Tensor& patches_BND, PatchGrid grid, const Tensor& visible_BK);
  Tensor mean_patch(const Tensor& tokens_BND, const Tensor& size_BN1) const;
  Tensor coordinates(const Tensor& images_BCHW, const VitPass& pass, size_t group) const;

  VitConfig config_;
  Tensor cls_token, reg_token, mask_token, pos_embed;
  PatchEmbed patch_embed{nullptr};
  torch::nn::ModuleList blocks{nullptr};
  RopeEmbed rope_embed{nullptr};
  torch::nn::LayerNorm norm{nullptr}, cls_norm{nullptr}, fc_norm{nullptr}, pool_norm_{nullptr};
  AttentionalPooler attn_pool{nullptr};
};
TORCH_MODULE(Vit);

/// A backbone as the transformer that it is. Callers have seen its config: another family is our own mistake.
Vit as_vit(const std::shared_ptr<Backbone>& backbone);

}  // namespace eosin::nn
