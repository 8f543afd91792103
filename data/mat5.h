#pragma once
// MATLAB 5 files (what MATLAB writes by default up to v7), read by hand: the bag sets of MIL are MATLAB objects, which other readers return
// empty.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>

namespace eosin::data {

/// Reads all variables of a file. A name is the path: the variable, then "/field" of a struct or object ("/k/field" for the k-th of
/// several), "/k" of a cell, in column-major order. Numbers and truth values become float64 in logical order and shape, whatever the
/// stored type; text becomes UTF-8 bytes (uint8), its rows joined by line feeds with their trailing blanks. Empty text, structs and
/// cells have no entry.
///
/// Errors   Io if it cannot be opened; Data naming the file: version 7.3 (HDF5) and other versions, big-endian, truncated or corrupt
///          elements, more than `max_bytes` decompressed, sparse and complex arrays, function handles, a name twice.
/// Checked  golden data.mat5, tests/data/test_mat5.cpp.
TensorMap read_mat5(const std::string& path, uint64_t max_bytes = uint64_t{1} << 30);
/// The same from memory; `where` names the source in messages.
TensorMap parse_mat5(std::span<const uint8_t> bytes, const std::string& where, uint64_t max_bytes = uint64_t{1} << 30);

}  // namespace eosin::data
