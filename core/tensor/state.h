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

  /// Takes in an owner's state: its tensors as "prefix/name", its values as values[prefix].
  void add(const std::string& prefix, const State& part);
  /// What add() took in under that prefix. Data error naming the prefix if there is nothing.
  State part(const std::string& prefix) const;
};

}  // namespace eosin
