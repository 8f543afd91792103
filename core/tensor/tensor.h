#pragma once
// The tensor type of eosin, without torch's umbrella headers.
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace eosin {

using Tensor = at::Tensor;
/// Tensors by name, in name order.
using TensorMap = std::map<std::string, Tensor>;

}  // namespace eosin
