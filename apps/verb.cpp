#include "apps/verb.h"

#include "core/base/error.h"
#include "core/base/log.h"

#include <algorithm>
#include <cstdio>

namespace eosin::apps {
namespace {

std::string text_of(const nlohmann::ordered_json& value) { return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace); }

void print_lines(const nlohmann::ordered_json& value, int indent) {
  for (const auto& [key, v] : value.items()) {
    if (v.is_structured() && !v.empty() && (v.is_object() || v.front().is_structured())) {
      std::printf("%*s%s:\n", indent, "", key.c_str());
      print_lines(v, indent + 2);
    } else {
      std::printf("%*s%s: %s\n", indent, "", key.c_str(),
                  v.is_string() ? v.get<std::string>().c_str()
                  : v.is_null() ? "unknown"
                                : text_of(v).c_str());
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

config::Source Invocation::settings() const {
  config::Source source;
  for (const auto& assignment : overrides) source.override_with(assignment);
  for (const std::string& flag : flags)
    if (flag.find('=') != std::string::npos) source.override_with(flag.substr(flag.find_first_not_of('-')));
  return source;
}

int perform(const Verb& verb, Invocation invocation) {
  if (verb.actions.empty()) return verb.run(invocation);
  const std::string word = invocation.words.empty() ? "" : invocation.words.front();
  std::vector<std::string> names;
  for (const Verb& action : verb.actions) {
    names.push_back(action.name);
    if (action.name != word) continue;
    invocation.words.erase(invocation.words.begin());
    return perform(action, std::move(invocation));
  }
  const auto near = config::nearest(word, names);
  fail(ErrorKind::Config, "[{}] need one of {} (got '{}'){}", verb.name, fmt::join(names, ", "), word,
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

std::vector<Job> jobs() {
  std::vector<Job> all;
  for (const Verb& verb : verbs()) {
    if (verb.make_config) all.push_back({verb.name, &verb});
    for (const Verb& action : verb.actions)
      if (action.make_config) all.push_back({verb.name + " " + action.name, &action});
  }
  return all;
}

std::vector<std::string> job_names() {
  std::vector<std::string> names;
  for (const Job& job : jobs()) names.push_back(job.name);
  return names;
}

const Verb* find_job(std::string_view name) {
  for (const Job& job : jobs())
    if (job.name == name) return job.verb;
  return nullptr;
}

void print_json(const nlohmann::ordered_json& object) { std::printf("%s\n", text_of(object).c_str()); }

void print_result(const Invocation& invocation, const nlohmann::ordered_json& result) {
  log::set_status({});  // a terminal shows both streams
  if (invocation.json)
    print_json(result);
  else
    print_lines(result, 0);
  std::fflush(stdout);
}

}  // namespace eosin::apps
