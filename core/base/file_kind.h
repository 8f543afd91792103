#pragma once
// What a file is by its first bytes, for messages about one that is not what it should be.
#include <string>

namespace eosin {

/// "; it begins as a gzip file: unpack it first", or what else the first bytes show (zip, xz, tar, HDF5, pictures, text...). Empty if they
/// show nothing, or the file cannot be read.
std::string kind_remark(const std::string& path);

}  // namespace eosin
