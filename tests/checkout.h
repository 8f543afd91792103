#pragma once
#include <string>

namespace eosin {

/// Where this checkout and its build are. Not macros: an object that holds a path is no other checkout's, and the compiler cache serves them all.
std::string source_dir();
std::string binary_dir();

}  // namespace eosin
