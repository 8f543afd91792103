#include "apps/verb.h"

#include "core/base/error.h"
#include "core/base/log.h"

#include <algorithm>
#include <cstdio>

namespace eosin::apps {
namespace {

void print_lines(const nlohmann::ordered_json& value, int indent) {
  for (const auto& [key, v] : value.items()) {
    if (v.is_structured() && !v.empty() && (v.is_object() || v.front().is_structured())) {
      std::printf("%*s%s:\n", indent, "", key.c_str());
      print_lines(v, indent + 2);
    } else {
      std::printf("%*s%s: %s\n", indent, "", key.c_str(), v.is_string() ? v.get<std::string>().c_str() : v.is_null() ? "unknown" : v.dump().c_str());
    }
  }
}

}  // namespace

bool Invocation::has_flag(const std::string& flag) const { return std::find(flags.begin(), flags.end(), flag) != flags.end(); }

config::Source Invocation::source() const {
  EOSIN_CHECK(words.size() <= 1, Config, "[command line] got {} words ({}), need at most one CONFIG.yaml; write overrides as key=value", words.size(),
              fmt::join(words, ", "));
  config::Source source = words.empty() ? config::Source() : config::Source::from_file(words.front());
  for (const auto& assignment : overrides) source.override_with(assignment);
  return source;
}

void print_result(const Invocation& invocation, const nlohmann::ordered_json& result) {
  log::set_status({});  // a terminal shows both streams
  if (invocation.json)
    std::printf("%s\n", result.dump().c_str());
  else
    print_lines(result, 0);
  std::fflush(stdout);
}

}  // namespace eosin::apps
