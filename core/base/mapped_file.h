#pragma once
// A file as memory.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace eosin {

/// The bytes of a whole file, mapped copy-on-write: what is written to them stays in this process. `owner` keeps the mapping alive.
struct MappedFile {
  std::shared_ptr<void> owner;  // null for an empty file
  std::span<uint8_t> bytes;
};

/// Errors   Io if it cannot be opened or mapped, or is no regular file.
/// Checked  through the readers of safetensors and torch archives: tests/tensor.
MappedFile map_file(const std::string& path);

}  // namespace eosin
