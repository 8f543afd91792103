#pragma once
// safetensors files: the reader follows all of the format's rules, the writer is atomic.
#include "core/tensor/tensor.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace eosin {

struct SafetensorsFile {
  TensorMap tensors;                            // own their memory (or keep the mapping alive)
  std::map<std::string, std::string> metadata;  // "__metadata__"
};

/// Reads a whole file (memory-mapped; tensors keep the mapping alive and are copy-on-write).
/// Errors   Io if it cannot be opened; Data naming the file and the rule broken (offsets must tile the buffer exactly, no duplicate
///          names, checked products, header <= 100 MB, known dtypes, string metadata).
/// Checked  golden data.safetensors, tests/tensor/test_safetensors.cpp.
SafetensorsFile read_safetensors(const std::string& path);
/// The same from bytes in memory; `where` names the source in messages.
SafetensorsFile parse_safetensors(std::span<const uint8_t> bytes, const std::string& where);

/// Receives the bytes of a file in order.
using ByteSink = std::function<void(std::string_view)>;

/// Serialises as the reference writer does: tensors by descending alignment then name, header padded to 8 bytes. Dense tensors
/// on the CPU are not copied.
void write_safetensors(const ByteSink& sink, const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});
/// The same in memory.
std::string serialize_safetensors(const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});
/// The same into a file that is complete or absent (core/base/atomic_file.h).
void write_safetensors(const std::string& path, const TensorMap& tensors, const std::map<std::string, std::string>& metadata = {});

}  // namespace eosin
