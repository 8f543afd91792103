#pragma once
// From the bytes of an array file to a tensor.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// A row-major tensor of `shape` whose elements are `bytes`, reversed one by one where `big_endian`.
/// Errors   Data naming `where`: the shape overflows, or needs another number of bytes.
Tensor tensor_from_bytes(std::span<const uint8_t> bytes, at::ScalarType type, const std::vector<int64_t>& shape, bool big_endian,
                         const std::string& where);

}  // namespace eosin::data
