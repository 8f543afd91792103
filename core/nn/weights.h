#pragma once
// Public weights in: a state dict is recognised by its keys and becomes timm's names, which are ours. Nothing is loaded partly
// without saying so, and every tensor that is resized is reported.
#include "core/nn/model_config.h"
#include "core/nn/weight_names.h"

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
  std::optional<double> norm_eps;      // else the origin's own
  std::optional<RopeConfig> rope;      // of a model with rotary positions; else the origin's own, base 100
  bool mask_token = false;             // keep it; else it is dropped
};

struct ResizedTensor {
  std::string name;
  std::vector<int64_t> from, to;
};

/// `weights` fit `model` exactly.
struct ImportedWeights {
  TensorMap weights;
  ModelConfig model;
  VitConfig& vit() { return vit_of(model); }
  const VitConfig& vit() const { return vit_of(model); }
  std::string origin;                // name of a row of weight_origins()
  std::vector<std::string> dropped;  // keys of the source that an encoder does not have
  std::vector<ResizedTensor> resized;
};

/// Recognises a row of weight_origins() by the keys (a teacher before its student), renames and packs, and tells the model from names and
/// shapes. Where the class token has a position and registers have none, the class position is folded into the class token.
///
/// Errors   Data if the keys are of no known kind (names some), or the position table fits no grid; Config if a wanted size does not fit.
/// Differs  positions are resampled as timm does on import (antialias); at run time as the origin does (VitConfig::pos_resample).
/// Checked  golden nn.convert_state_dict, nn.vit_hf, nn.vit_dinov3; tests/nn/test_weights.cpp; tests/python/{timm,hf}_parity.py.
ImportedWeights convert_state_dict(const TensorMap& source, const ImportTarget& target = {});

/// Brings weights to the wanted patch and image size, if any, and notes what changed.
///
/// Errors   Config if the size does not fit the patch.
void resize_weights(ImportedWeights& imported, const ImportTarget& target);

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
