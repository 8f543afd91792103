#pragma once
#include <string>

namespace eosin {

/// "0.1.0"
const char* version() noexcept;
/// Commit that the program was built from, "-dirty" appended when the tree had changes; "unknown" outside git.
const char* git_commit() noexcept;
/// Version of the torch wheel that the program was built on, e.g. "2.11.0+cu130".
const char* built_torch_version() noexcept;

}  // namespace eosin
