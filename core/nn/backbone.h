#pragma once
// What methods, features and probes ask of an encoder, whichever family it is of. Masks, choices of patches and registers are asked of a
// Vit (vit.h).
#include "core/nn/drop_path.h"
#include "core/nn/model_config.h"
#include "core/nn/pos_embed.h"
#include "core/tensor/comm.h"

#include <torch/nn/module.h>

#include <memory>
#include <optional>
#include <vector>

namespace eosin::nn {

/// What a backbone makes of a batch of images, after its last norm.
struct ImageTokens {
  Tensor class_BD;     // class token; undefined where the model has none
  Tensor summary_BD;   // the class token where the feature is made of it, else the feature
  Tensor patches_BND;  // row-major
  PatchGrid grid;
  Tensor size_BN1;  // how many patches each stands for, where tokens merge; else undefined

  /// The mean of the patches; merged ones weigh as many as they stand for.
  Tensor mean_patch() const;
};

/// Shapes   a group of images is [B, C, H, W]; groups may differ in B and in size.
/// Errors   Shape: images of another number of channels, a side that the family cannot divide (names the number and the nearest), an
///          empty batch.
class Backbone : public torch::nn::Module {
 public:
  virtual ModelConfig description() const = 0;
  /// Initial weights, a pure function of the seed and the parameters' names.
  virtual void init_weights(uint64_t seed) = 0;
  /// Tokens of each group. Stochastic depth is applied only with `drop_path`.
  virtual std::vector<ImageTokens> encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) = 0;
  /// Features [B, feature_dim] of each group: what the encoder is published with.
  virtual std::vector<Tensor> forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path = {}) = 0;
  /// Features of one batch.
  Tensor forward(const Tensor& images_BCHW) { return forward_features({images_BCHW}).front(); }
};

/// Errors   Shape for what is no batch of images of `in_chans` channels, or has a side below `least` or no multiple of `multiple`.
void check_images(const Tensor& images_BCHW, int64_t in_chans, int64_t multiple, int64_t least);

/// The module that `model` describes. Batch norms see the images of all ranks of `comm`.
///
/// Errors   Config from check(model).
std::shared_ptr<Backbone> make_backbone(const ModelConfig& model, std::shared_ptr<Comm> comm = make_single_comm());

}  // namespace eosin::nn
