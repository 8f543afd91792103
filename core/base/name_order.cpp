#include "core/base/name_order.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

namespace eosin {
namespace {

std::optional<int64_t> whole_number(const std::string& s) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  return error == std::errc() && end == s.data() + s.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

void order_names(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& s) { return whole_number(s).has_value(); }))
    std::stable_sort(names.begin(), names.end(), [](const auto& a, const auto& b) { return *whole_number(a) < *whole_number(b); });
}

}  // namespace eosin
