#pragma once
// config.json beside weights for the code of DINOv2 and DINOv3: the arguments of their DinoVisionTransformer.
#include "core/nn/encoder_spec.h"

namespace eosin::nn {

/// Errors   Config for a layer norm eps other than 1e-6.
nlohmann::ordered_json dinov2_config(const EncoderSpec& spec);
/// Errors   Config for a layer norm eps other than 1e-6 ("layernorm") and 1e-5 ("layernormbf16").
nlohmann::ordered_json dinov3_config(const EncoderSpec& spec);
/// Rotary positions in the arguments of DINOv3 ("pos_embed_rope_base" ...); what they lack keeps its default.
RopeConfig rope_of_dinov3(const nlohmann::json& model_args);

}  // namespace eosin::nn
