#pragma once
// A fuzz target is one reader and the files to begin with. Its file defines these two functions; target.cpp calls them for libFuzzer.
#include "core/base/error.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin::fuzz {

using Bytes = std::span<const uint8_t>;

/// Reads the bytes as a user's file. An Error is a good answer; any other exception, a crash, a hang or a sanitizer's report is a finding.
void read(Bytes bytes);
/// Small sound files, written by the product or taken from the golden cases.
std::vector<std::string> seeds();

/// Bytes of the golden cases of an operation ($EOSIN_GOLDEN, else ../shared/golden); none where they are not.
std::vector<std::string> golden_inputs(const std::string& op);
/// Golden files whose name begins so ("store_").
std::vector<std::string> golden_files(const std::string& prefix);
/// The same and `more`.
std::vector<std::string> with(std::vector<std::string> files, const std::vector<std::string>& more);

/// The bytes as a file, for readers that want a path. The one file is written anew by each call.
std::string as_file(Bytes bytes);
/// A fresh path in the same folder, for seeds that the product writes as files.
std::string fresh_path(const std::string& name);

/// Whether `f` throws an Error; for targets that go on with other calls.
template <class F>
bool refused(F&& f) {
  try {
    f();
    return false;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::Internal) throw;
    return true;
  }
}

}  // namespace eosin::fuzz
