#include "core/base/run_config.h"

#include <fmt/format.h>

#include <charconv>

namespace eosin {

std::optional<int> cuda_index(std::string_view word) {
  constexpr std::string_view kPrefix = "cuda:";
  if (!word.starts_with(kPrefix)) return std::nullopt;
  int index = -1;
  const char* end = word.data() + word.size();
  const bool whole = std::from_chars(word.data() + kPrefix.size(), end, index).ptr == end;
  return whole && index >= 0 ? std::optional(index) : std::nullopt;
}

void RunConfig::validate(config::Problems& p) const {
  if (device != "cpu" && device != "cuda" && device != "auto" && !cuda_index(device))
    p.add("device", fmt::format("is no device (got '{}', need cpu, cuda, cuda:N or auto)", device));
}

}  // namespace eosin
