#pragma once
// Inside of torch_*.cpp only: a file of torch.save taken apart, in both of its formats.
#include "core/tensor/pickle.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace eosin::torch_file {

/// A file taken apart: the saved object, and the bytes of its storages by key.
struct Content {
  pickle::Graph graph;
  std::map<std::string, std::span<const uint8_t>, std::less<>> records;
  bool big_endian = false;
};

/// Errors   Data: those of read_stored_zip and pickle::parse; members outside one folder, a CRC-32 that differs, no object, bytes left over.
Content read_content(std::span<const uint8_t> bytes, const std::string& where, bool check_crc);

}  // namespace eosin::torch_file
