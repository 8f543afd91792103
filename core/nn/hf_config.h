#pragma once
// transformers' config.json and preprocessor_config.json: what `AutoModel.from_pretrained(FOLDER)` reads beside model.safetensors.
#include "core/nn/encoder_spec.h"
#include "core/nn/weights.h"

namespace eosin::nn {

/// Whether a config.json is transformers' (timm's names an architecture instead).
bool is_hf_config(const nlohmann::json& config);

/// The class that hf_model_type names, with its sizes.
///
/// Errors   those of hf_model_type; Config for a width of SwiGLU that the class cannot have.
/// Checked  tests/python/hf_parity.py: strict loading, equal features.
nlohmann::ordered_json hf_config(const EncoderSpec& spec);
/// Resize, centre crop, mean and deviation.
nlohmann::ordered_json hf_preprocessor(const EncoderSpec& spec);

/// What a config.json says about its weights.
///
/// Errors   Data naming `where` if it is not such a file; Config for an activation other than GELU and SiLU.
ImportTarget import_target_of_hf(const nlohmann::json& config, const std::string& where);
/// Takes from a config.json what hf_config adds for our own reader, from a preprocessor_config.json (or null) the images expected.
void apply_hf_config(EncoderSpec& spec, const nlohmann::json& config, const nlohmann::json& preprocessor, const std::string& where);

}  // namespace eosin::nn
