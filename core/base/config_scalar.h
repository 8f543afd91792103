#pragma once
// Scalars of a config as text: base 10 only, true/false only, no leading zeros, no infinities. Internal to core/base.
#include "core/base/config.h"

#include <string>
#include <string_view>

namespace eosin::config {

/// Why a text is not such a value; empty if it is one, and then `out` is set.
std::string parse_scalar(std::string_view text, bool& out);
std::string parse_scalar(std::string_view text, int64_t& out);
std::string parse_scalar(std::string_view text, double& out);

/// Shortest text that reads back as the same number, in a form that YAML 1.1 readers also take for a number ("1.0e-05").
std::string format_scalar(double v);
std::string format_scalar(int64_t v);
std::string format_scalar(bool v);
/// Plain where every YAML reader takes it for text, else in double quotes.
std::string format_scalar(const std::string& v);

/// "(0, 1]", "3 elements", "one of: a, b"; empty if there are none.
std::string describe(const Rules& rules);
std::string describe(const Range& range);
std::string describe(const Length& length);

}  // namespace eosin::config
