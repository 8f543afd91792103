#pragma once
// timm's config.json: what `timm.create_model('local-dir:FOLDER', pretrained=True)` reads beside model.safetensors.
#include "core/nn/encoder_spec.h"
#include "core/nn/weights.h"

namespace eosin::nn {

/// The nearest architecture of timm with every size overridden by model_args, num_classes 0, and the images it expects. Backbones in stages
/// must have the sizes of one of timm's.
///
/// Errors   Config if timm has no word for a property (layer norm eps other than 1e-6; positions for class and patches beside registers; a
///          ConvStem; a pooler).
/// Checked  tests/python/timm_parity.py: strict loading, equal features.
nlohmann::ordered_json timm_config(const EncoderSpec& spec);

/// What a timm config.json says about its weights; keys that it lacks follow from the architecture's name or the weights.
///
/// Errors   Data naming `where` if it is not such a file.
ImportTarget import_target_of_timm(const nlohmann::json& config, const std::string& where);
/// Takes what the weights do not show from a timm config.json: pooling, image sizes accepted, normalisation.
void apply_timm_config(EncoderSpec& spec, const nlohmann::json& config, const std::string& where);

}  // namespace eosin::nn
