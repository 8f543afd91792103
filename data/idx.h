#pragma once
// IDX arrays (the format of MNIST), plain or gzipped.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>

namespace eosin::data {

/// Reads an IDX file: big-endian numbers of one type, native in the result. A gzip file may have several members.
///
/// Errors   Io if it cannot be opened; Data naming the file: not IDX, corrupt or truncated gzip (checksum and length of each member are
///          compared), more than `max_bytes` decompressed, another length than the header says.
/// Checked  golden data.idx_gz, tests/data/test_array_files.cpp.
Tensor read_idx(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);
/// The same from memory; `where` names the source in messages.
Tensor parse_idx(std::span<const uint8_t> bytes, const std::string& where, uint64_t max_bytes = uint64_t{1} << 30);

}  // namespace eosin::data
