#pragma once
#include "core/nn/encoder_spec.h"
#include "core/tensor/state.h"

#include <torch/nn/module.h>

namespace eosin::ssl {

/// What a method's checkpoint is: all its weights by name, and as value "encoder" what the backbone among them is, for whoever takes it out.
State method_state(const torch::nn::Module& method, const nn::EncoderSpec& encoder);

}  // namespace eosin::ssl
