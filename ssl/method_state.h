#pragma once
#include "core/nn/encoder_spec.h"
#include "core/tensor/state.h"

#include <torch/nn/module.h>

namespace eosin::ssl {

/// What a method's checkpoint is: all its weights by name, and as value "encoder" what the backbone among them is, for whoever takes it out.
State method_state(const torch::nn::Module& method, const nn::EncoderSpec& encoder);

/// The same of a method whose other parts, frozen teachers, are left out: tensors `student.*` alone.
State student_state(const torch::nn::Module& student, const nn::EncoderSpec& encoder);
/// Errors   those of nn::load_weights.
void load_student(torch::nn::Module& student, const State& state);

}  // namespace eosin::ssl
