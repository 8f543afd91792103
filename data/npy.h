#pragma once
// NumPy's array files, read without trusting them.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <string>

namespace eosin::data {

/// Reads an .npy file of version 1.0, 2.0 or 3.0 with numbers or booleans: either byte order, either memory order. The result is
/// row-major in native order, of the file's own element type.
///
/// Errors   Io if it cannot be opened; Data naming the file: bad magic or header (exactly the keys descr, fortran_order, shape), object and
///          other types, sizes that overflow, fewer or more bytes than the shape needs.
/// Checked  golden data.npy, tests/data/test_array_files.cpp.
Tensor read_npy(const std::string& path);
/// The same from memory; `where` names the source in messages.
Tensor parse_npy(std::span<const uint8_t> bytes, const std::string& where);

}  // namespace eosin::data
