#pragma once
// Whose words the keys of public weights are in, and the way into ours (timm's VisionTransformer) and back.
#include "core/nn/vit_config.h"

#include <regex>
#include <string>
#include <vector>

namespace eosin::nn {

/// What takes whose place in a key, one after the other.
using KeyWords = std::vector<std::pair<std::regex, std::string>>;
std::string replaced(std::string key, const KeyWords& words);

/// A library or release whose weights are known by their keys. What shapes do not say is a property of it.
struct WeightOrigin {
  std::string name;
  std::string one_line;
  std::string source;
  /// Whether a state dict without wrapping prefixes is of this kind; the first row that says so is taken.
  bool (*recognises)(const TensorMap& weights, bool self_supervised);
  KeyWords words;        // theirs -> ours
  PosResample resample;  // how its own code resamples positions
  double norm_eps = 1e-6;
  /// The class token has a position and the registers none; timm's form of that has no class position.
  bool folds_class_position = false;
  bool rotary = false;  // positions turn queries and keys (rope.h)
};
/// timm, DINO, DINOv2, DINOv3, MAE, and Hugging Face's ViT, Dinov2, Dinov2WithRegisters, DINOv3ViT.
const std::vector<WeightOrigin>& weight_origins();

/// Weights under our names: q, k, v and the two halves of a gated MLP packed, key biases that the origin masks set to zero.
struct NamedWeights {
  TensorMap weights;
  const WeightOrigin* origin = nullptr;
  bool zero_k_bias = false;
  std::vector<std::string> dropped;  // keys that an encoder does not have: heads, decoders, mask token, the student beside a teacher
};
/// `mask_token`: keep it.
NamedWeights to_timm_names(const TensorMap& source, bool mask_token);

/// True of the keys by which encoders are found among other weights: every vision transformer, in any of the words above, has one that ends in
/// "patch_embed.proj.weight", every backbone in stages one of its first block.
bool is_encoder_key(const std::string& key);

/// Takes the backbone out of what checkpoints wrap round it. True if there was a projection head beside it.
bool unwrap(TensorMap& weights, std::vector<std::string>& dropped);

/// One key of DINOv2's backbone in timm's words ("blocks.1.7.mlp.w12.bias" -> "blocks.7.mlp.fc1.bias").
std::string timm_name(const std::string& dinov2_name);

}  // namespace eosin::nn
