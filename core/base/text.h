#pragma once
// What is text: UTF-8 without control characters other than tab and line breaks.
#include <string_view>

namespace eosin {

/// Position of the first byte of `s` that is not text; npos if all of it is.
size_t find_non_text(std::string_view s);

}  // namespace eosin
