#pragma once
// A model under the names of other libraries: the way back from weight_names.h.
#include "core/nn/vit_config.h"

#include <string>

namespace eosin::nn {

/// A whole model under timm's names, which are ours; timm has no mask token.
TensorMap to_timm(const TensorMap& weights);

/// One of timm's keys in the words of DINOv2's backbone, without chunks; `ffn` as in VitConfig. The inverse of timm_name.
std::string dinov2_name(const std::string& timm_name, const std::string& ffn);
/// A whole model under DINOv2's names: a zero mask token, and registers without position (a class position of zero is added).
///
/// Errors   Config if the model has something that DINOv2's code cannot express.
TensorMap to_dinov2(const TensorMap& weights, const VitConfig& config);
/// A whole model under DINOv3's names: a zero mask token, the gate (w1) and the value (w2) apart, the key bias masked.
///
/// Errors   Config if the model has something that DINOv3's code cannot express.
TensorMap to_dinov3(const TensorMap& weights, const VitConfig& config);

/// The class of transformers that has the model's parts: "dinov3_vit" with rotary positions, else "dinov2_with_registers" or "dinov2"
/// with LayerScale, else "vit".
///
/// Errors   Config if it lacks one of them.
std::string hf_model_type(const VitConfig& config);
/// A whole model under the published names of that class.
///
/// Errors   those of hf_model_type.
/// Checked  tests/python/hf_parity.py.
TensorMap to_hf(const TensorMap& weights, const VitConfig& config);

}  // namespace eosin::nn
