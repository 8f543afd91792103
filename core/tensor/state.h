#pragma once
// What is saved and restored: named tensors and small values. Owners merge theirs under a prefix of their own.
#include "core/tensor/tensor.h"

#include <nlohmann/json.hpp>

namespace eosin {

/// `tensors` are written with safetensors, `values` (counters, names) as JSON. Tensors are live references on the way out
/// (not copies) and are copied into place on the way in.
struct State {
  TensorMap tensors;
  nlohmann::json values = nlohmann::json::object();
};

}  // namespace eosin
