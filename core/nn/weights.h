#pragma once
// Public weights in: a state dict is recognised by its keys and becomes timm's names, which are ours. Nothing is loaded partly
// without saying so, and every tensor that is resized is reported.
#include "core/nn/vit_config.h"

#include <torch/nn/module.h>

#include <optional>
#include <string>
#include <vector>

namespace eosin::nn {

/// What the importer is told where the weights alone do not say, or where the model is to differ from them.
struct ImportTarget {
  std::optional<int64_t> num_heads;    // else from the q/k norms, the table of backbones, or 64 a head
  std::vector<int64_t> source_size;    // img_size that the weights were made for; else a square
  std::vector<int64_t> img_size;       // wanted; empty: the weights' own
  std::optional<int64_t> patch_size;   // wanted; else the weights' own
  std::optional<bool> no_embed_class;  // the position table has rows for patches only; else from its length
};

struct ResizedTensor {
  std::string name;
  std::vector<int64_t> from, to;
};

/// `weights` fit `config` exactly.
struct ImportedWeights {
  TensorMap weights;
  VitConfig config;
  std::string origin;                // "timm", "dinov2", "dino"
  std::vector<std::string> dropped;  // keys of the source that an encoder does not have: heads, mask token, the student beside a teacher
  std::vector<ResizedTensor> resized;
};

/// Recognises timm, DINOv2 (released, and training checkpoints with chunked blocks) and DINO (teacher before student) by their keys and
/// renames: w12 -> fc1, w3 -> fc2, register_tokens -> reg_token with the class position folded into the class token.
///
/// Errors   Data if the keys are of no known kind (names some), or the position table fits no grid; Config if a wanted size does not fit.
/// Differs  positions are resampled as timm does on import (antialias); at run time as the origin does (VitConfig::pos_resample).
/// Checked  golden nn.convert_state_dict; tests/nn/test_weights.cpp; tests/python/timm_parity.py.
ImportedWeights convert_state_dict(const TensorMap& source, const ImportTarget& target = {});

/// Brings weights to the wanted patch and image size, if any, and notes what changed.
///
/// Errors   Config if the size does not fit the patch.
void resize_weights(ImportedWeights& imported, const ImportTarget& target);

/// One key of DINOv2's backbone in timm's words ("blocks.1.7.mlp.w12.bias" -> "blocks.7.mlp.fc1.bias").
std::string timm_name(const std::string& dinov2_name);
/// The inverse, without chunks; `ffn` as in VitConfig.
std::string dinov2_name(const std::string& timm_name, const std::string& ffn);
/// A whole model under DINOv2's names: a zero mask token, and registers without position (a class position of zero is added).
///
/// Errors   Config if the model has something that DINOv2's code cannot express.
TensorMap to_dinov2(const TensorMap& weights, const VitConfig& config);

struct LoadReport {
  std::vector<std::string> missing, unexpected;  // allowed ones
};

/// Copies tensors into the parameters and buffers of the same names (converting the type).
///
/// Errors   Data that lists all names missing or unexpected and not allowed; Shape that names both shapes.
LoadReport load_weights(torch::nn::Module& module, const TensorMap& weights, const std::vector<std::string>& allow_missing = {},
                        const std::vector<std::string>& allow_unexpected = {});
/// Parameters and buffers by name: live references.
TensorMap named_weights(const torch::nn::Module& module);

}  // namespace eosin::nn
