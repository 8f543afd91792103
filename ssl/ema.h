#pragma once
#include "core/tensor/tensor.h"

#include <torch/nn/module.h>

#include <vector>

namespace eosin::ssl {

/// Exponential moving average, in place: teacher <- momentum * teacher + (1 - momentum) * student, over all tensors at once.
///
/// What an optimizer does to the averages it was given, to the bit; for averages that no optimizer moves.
/// Errors   Internal if the lists differ in length.
/// Checked  golden ssl.ema_update; tests/ssl/test_dino.cpp.
void update_ema(const std::vector<Tensor>& teacher, const std::vector<Tensor>& student, double momentum);

/// Makes `teacher` a copy of those parts of `student` that it has: parameters and buffers by name.
void copy_parts(torch::nn::Module& teacher, const torch::nn::Module& student);

}  // namespace eosin::ssl
