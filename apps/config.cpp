// `eosin config`: what a config means, before anything runs.
#include "apps/verb.h"
#include "core/base/error.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> names_of_verbs() {
  std::vector<std::string> names;
  for (const Verb& verb : verbs())
    if (verb.make_config) names.push_back(verb.name);
  return names;
}

const Verb& verb_named(const std::string& name, const std::string& where) {
  for (const Verb& verb : verbs())
    if (verb.name == name && verb.make_config) return verb;
  const auto near = config::nearest(name, names_of_verbs());
  fail(ErrorKind::Config, "{}no verb with a config has the name '{}' (need one of: {}){}", where, name, fmt::join(names_of_verbs(), ", "),
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

/// A config with the source and the verb that it is for.
struct Loaded {
  const Verb* verb;
  config::Source source;
  std::unique_ptr<config::AnyConfig> config;
};

/// `words`: a verb's name and then perhaps a file, or a file that names its verb.
Loaded load(std::vector<std::string> words, const std::vector<std::string>& overrides) {
  Loaded loaded{nullptr, {}, nullptr};
  const auto known = names_of_verbs();
  if (!words.empty() && std::find(known.begin(), known.end(), words.front()) != known.end() && !std::filesystem::is_regular_file(words.front())) {
    loaded.verb = &verb_named(words.front(), "");
    words.erase(words.begin());
  }
  if (!loaded.verb && !words.empty() && !std::filesystem::exists(words.front())) {
    const auto near = config::nearest(words.front(), known);
    EOSIN_CHECK(!near, Config, "[config] '{}' is neither a file nor a verb; did you mean '{}'?", words.front(), *near);
  }
  EOSIN_CHECK(words.size() <= 1, Config, "[config] '{}' is one word too many; need VERB, CONFIG.yaml or both", words.back());
  EOSIN_CHECK(loaded.verb || !words.empty(), Config, "[config] need a CONFIG.yaml or a verb (one of: {})", fmt::join(known, ", "));
  const bool from_file = !words.empty();
  if (from_file) loaded.source = config::Source::from_file(words.front());
  for (const auto& assignment : overrides) loaded.source.override_with(assignment);
  if (!loaded.verb) {
    const auto name = loaded.source.peek("verb");
    EOSIN_CHECK(name, Config, "{}: the file does not name its verb; add 'verb: {}' at the top, or put the verb before the file", words.front(),
                known.front());
    loaded.verb = &verb_named(*name, words.front() + ": verb: ");
  }
  loaded.config = loaded.verb->make_config();
  // Without a file the keys that every run must set are missing, which is no reason not to explain the others.
  if (from_file)
    config::read(loaded.source, *loaded.config, loaded.verb->name);
  else
    config::read(loaded.source, {config::visit_of(*loaded.config), [](config::Problems&) {}}, loaded.verb->name);
  return loaded;
}

int check(const Invocation& in, const std::vector<std::string>& words) {
  EOSIN_CHECK(!words.empty(), Config, "[config] need at least one CONFIG.yaml to check");
  std::string problems;
  Json checked = Json::array();
  const bool verb_first = words.size() == 2 && !std::filesystem::exists(words[0]);  // `check tile x.yaml`
  for (size_t i = verb_first ? 1 : 0; i < words.size(); ++i) {
    try {
      const auto one = load(verb_first ? words : std::vector<std::string>{words[i]}, in.overrides);
      checked.push_back({{"file", words[i]}, {"verb", one.verb->name}});
    } catch (const Error& e) {
      problems += (problems.empty() ? "" : "\n") + std::string(e.what());
    }
  }
  EOSIN_CHECK(problems.empty(), Config, "{}", problems);
  if (in.json) std::printf("%s\n", Json{{"checked", checked}}.dump().c_str());
  for (const Json& one : in.json ? Json::array() : checked)
    std::printf("%s: good (%s)\n", one["file"].get<std::string>().c_str(), one["verb"].get<std::string>().c_str());
  return 0;
}

std::string type_rules(const config::Row& row) { return row.rules.empty() ? row.type : row.type + ", " + row.rules; }

/// Every key with where its value comes from (`show`) or with what it means (`explain`).
int print_keys(const Invocation& in, const std::vector<std::string>& words, bool meaning) {
  const Loaded loaded = load(words, in.overrides);
  const auto rows = config::explain(config::visit_of(*loaded.config), &loaded.source);
  if (in.json) {
    Json keys = Json::array();
    for (const auto& r : rows)
      keys.push_back({{"key", r.key}, {"type", r.type}, {"value", r.value}, {"rules", r.rules}, {"help", r.help}, {"origin", r.origin}});
    std::printf("%s\n", Json{{"verb", loaded.verb->name}, {"keys", keys}}.dump().c_str());
    return 0;
  }
  size_t width = 0;
  for (const auto& r : rows) width = std::max(width, r.key.size() + r.value.size() + 2);
  for (const auto& r : rows) {
    const std::string setting = r.key + ": " + r.value;
    const std::string remark = meaning ? fmt::format("{} ({})", r.help, type_rules(r)) : r.origin;
    std::printf("%s\n", fmt::format("{:<{}}  # {}", setting, std::min<size_t>(width, 60), remark).c_str());
  }
  return 0;
}

/// The effective config of a run folder, a run's config.yaml, or a config file.
std::string effective(std::string path) {
  if (std::filesystem::is_directory(path)) path += "/config.yaml";
  const Loaded loaded = load({path}, {});
  return config::to_yaml(config::visit_of(*loaded.config), loaded.verb->name);
}

int diff(const Invocation& in, const std::vector<std::string>& words) {
  EOSIN_CHECK(words.size() == 2, Config, "[config] diff needs two run folders or config files (got {})", words.size());
  const auto differences = config::diff(effective(words[0]), effective(words[1]));
  Json rows = Json::array();
  for (const auto& d : differences) {
    rows.push_back({{"key", d.key}, {"a", d.a}, {"b", d.b}});
    if (!in.json) std::printf("%s: %s -> %s\n", d.key.c_str(), d.a.c_str(), d.b.c_str());
  }
  if (in.json) std::printf("%s\n", Json{{"differences", rows}}.dump().c_str());
  return 0;
}

int schema(const std::vector<std::string>& words) {
  EOSIN_CHECK(words.size() == 1, Config, "[config] schema needs one verb (one of: {})", fmt::join(names_of_verbs(), ", "));
  const auto defaults = verb_named(words[0], "[config] ").make_config();
  std::printf("%s\n", config::schema(config::visit_of(*defaults), words[0]).dump(2).c_str());
  return 0;
}

int run(const Invocation& in) {
  const std::vector<std::string> actions = {"check", "show", "explain", "diff", "schema"};
  EOSIN_CHECK(!in.words.empty(), Config, "[config] need one of: {}", fmt::join(actions, ", "));
  const std::string action = in.words.front();
  const std::vector<std::string> words(in.words.begin() + 1, in.words.end());
  if (action == "check") return check(in, words);
  if (action == "show") return print_keys(in, words, false);
  if (action == "explain") return print_keys(in, words, true);
  if (action == "diff") return diff(in, words);
  if (action == "schema") return schema(words);
  const auto near = config::nearest(action, actions);
  fail(ErrorKind::Config, "[config] unknown action '{}' (need one of: {}){}", action, fmt::join(actions, ", "),
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

}  // namespace

Verb config_verb() {
  return {"config",
          "config check FILE... | show [VERB] [FILE] [key=value ...] | explain [VERB] [FILE] | diff A B | schema VERB",
          "checks a config, shows where each value comes from, explains keys, compares two runs, writes the JSON schema",
          "eosin config explain pretrain",
          {},
          run,
          nullptr};
}

}  // namespace eosin::apps
