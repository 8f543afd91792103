// `eosin config`: what a config means, before anything runs.
#include "apps/verb.h"
#include "core/base/config_keys.h"
#include "core/base/error.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

namespace eosin::apps {
namespace {

using Json = nlohmann::ordered_json;

using Words = std::vector<std::string>;

Job job_named(const std::string& name, const std::string& where) {
  if (const Verb* verb = find_job(name)) return {name, verb};
  const auto near = config::nearest(name, job_names());
  fail(ErrorKind::Config, "{}no verb with a config has the name '{}' (need one of: {}){}", where, name, fmt::join(job_names(), ", "),
       near ? fmt::format("; did you mean '{}'?", *near) : "");
}

/// Takes the words that name a job off the front: "tile", or "bench" and "store". None if they begin with a file.
std::optional<Job> take_job(Words& words) {
  if (words.empty() || std::filesystem::is_regular_file(words.front())) return std::nullopt;
  for (const size_t n : {size_t{2}, size_t{1}}) {
    if (words.size() < n) continue;
    const std::string name = n == 2 ? words[0] + " " + words[1] : words[0];
    if (const Verb* verb = find_job(name)) return words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(n)), Job{name, verb};
  }
  return std::nullopt;
}

/// Refuses a word that is neither a file nor a job.
void check_file(const std::string& word) {
  if (std::filesystem::exists(word)) return;
  Words actions;
  for (const std::string& name : job_names())
    if (name.starts_with(word + " ")) actions.push_back(name);
  EOSIN_CHECK(actions.empty(), Config, "[config] the actions of '{}' have a config each; need one of: {}", word, fmt::join(actions, ", "));
  const auto near = config::nearest(word, job_names());
  EOSIN_CHECK(!near, Config, "[config] '{}' is neither a file nor a verb; did you mean '{}'?", word, *near);
}

/// A config with the source and the verb that it is for.
struct Loaded {
  Job job;
  config::Source source;
  std::unique_ptr<config::AnyConfig> config;
};

/// Whether the config must be one that a run would take.
enum class Need { kRun, kKeys };

/// Of a job with or without a file, or of a file that names its job.
Loaded load(std::optional<Job> job, const std::optional<std::string>& file, const std::vector<std::string>& overrides, Need need) {
  if (file && !job) check_file(*file);
  config::Source source = file ? config::Source::from_file(*file) : config::Source();
  for (const auto& assignment : overrides) source.override_with(assignment);
  if (!job) {
    EOSIN_CHECK(file, Config, "[config] need a CONFIG.yaml or a verb (one of: {})", fmt::join(job_names(), ", "));
    const auto name = source.peek("verb");
    EOSIN_CHECK(name, Config, "{}: the file does not name its verb; add a line such as 'verb: pretrain' at the top, or put the verb before the file",
                *file);
    job = job_named(*name, *file + ": verb: ");
  }
  auto config = job->verb->make_config();
  if (need == Need::kRun)
    config::read(source, *config, job->name);
  else
    config::read_keys(source, config::visit_of(*config), job->name);
  return {*std::move(job), std::move(source), std::move(config)};
}

/// `words`: a job's name and then perhaps a file, or a file that names its job.
Loaded load(Words words, const std::vector<std::string>& overrides, Need need) {
  std::optional<Job> job = take_job(words);
  EOSIN_CHECK(words.size() <= 1, Config, "[config] '{}' is one word too many; need VERB, CONFIG.yaml or both", words.back());
  return load(std::move(job), words.empty() ? std::nullopt : std::optional(words.front()), overrides, need);
}

int check(const Invocation& in) {
  Words files = in.words;
  const std::optional<Job> job = take_job(files);  // `check tile x.yaml`
  EOSIN_CHECK(!files.empty(), Config, "[config] need at least one CONFIG.yaml to check");
  std::string problems;
  Json checked = Json::array();
  for (const std::string& file : files) {
    try {
      checked.push_back({{"file", file}, {"verb", load(job, file, in.overrides, Need::kRun).job.name}});
    } catch (const Error& e) {
      problems += (problems.empty() ? "" : "\n") + std::string(e.what());
    }
  }
  EOSIN_CHECK(problems.empty(), Config, "{}", problems);
  if (in.json) print_json(Json{{"checked", checked}});
  for (const Json& one : in.json ? Json::array() : checked)
    std::printf("%s: good (%s)\n", one["file"].get<std::string>().c_str(), one["verb"].get<std::string>().c_str());
  return 0;
}

std::string type_rules(const config::Row& row) { return row.rules.empty() ? row.type : row.type + ", " + row.rules; }

/// Every key with where its value comes from (`show`) or with what it means (`explain`). Whether they make a run is for `check` to say.
int print_keys(const Invocation& in, bool meaning) {
  const Loaded loaded = load(in.words, in.overrides, Need::kKeys);
  const auto rows = config::explain(config::visit_of(*loaded.config), &loaded.source);
  if (in.json) {
    Json keys = Json::array();
    for (const auto& r : rows)
      keys.push_back({{"key", r.key}, {"type", r.type}, {"value", r.value}, {"rules", r.rules}, {"help", r.help}, {"origin", r.origin}});
    print_json(Json{{"verb", loaded.job.name}, {"keys", keys}});
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
  const Loaded loaded = load({path}, {}, Need::kRun);
  return config::to_yaml(config::visit_of(*loaded.config), loaded.job.name);
}

int diff(const Invocation& in) {
  EOSIN_CHECK(in.words.size() == 2, Config, "[config] diff needs two run folders or config files (got {})", in.words.size());
  const auto differences = config::diff(effective(in.words[0]), effective(in.words[1]));
  Json rows = Json::array();
  for (const auto& d : differences) {
    rows.push_back({{"key", d.key}, {"a", d.a}, {"b", d.b}});
    if (!in.json) std::printf("%s: %s -> %s\n", d.key.c_str(), d.a.c_str(), d.b.c_str());
  }
  if (in.json) print_json(Json{{"differences", rows}});
  return 0;
}

int schema(const Invocation& in) {
  Words words = in.words;
  const std::optional<Job> job = take_job(words);
  EOSIN_CHECK(job || words.size() != 1, Config, "[config] no verb with a config has the name '{}' (need one of: {})", words[0],
              fmt::join(job_names(), ", "));
  EOSIN_CHECK(job && words.empty(), Config, "[config] schema needs one verb (one of: {})", fmt::join(job_names(), ", "));
  const auto defaults = job->verb->make_config();
  std::printf("%s\n", config::schema(config::visit_of(*defaults), job->name).dump(2).c_str());
  return 0;
}

}  // namespace

Verb config_verb() {
  Verb verb;
  verb.name = "config";
  verb.usage = "config check FILE... | show [VERB] [FILE] [key=value ...] | explain [VERB] [FILE] | diff A B | schema VERB";
  verb.one_line = "checks a config, shows where each value comes from, explains keys, compares two runs, writes the JSON schema";
  verb.example = "eosin config explain pretrain";
  verb.actions = {
      {"check", "config check [VERB] FILE...", "reads configs as their verbs would", "eosin config check configs/tile.yaml", {}, check, nullptr},
      {"show",
       "config show [VERB] [FILE] [key=value ...]",
       "every key with its value and where that was set",
       "eosin config show configs/tile.yaml",
       {},
       [](const Invocation& in) { return print_keys(in, false); },
       nullptr},
      {"explain",
       "config explain [VERB] [FILE] [key=value ...]",
       "every key with its value, what it means, its type and range",
       "eosin config explain pretrain method.name=mae",
       {},
       [](const Invocation& in) { return print_keys(in, true); },
       nullptr},
      {"diff", "config diff A B", "the keys in which two runs or configs differ", "eosin config diff runs/a runs/b", {}, diff, nullptr},
      {"schema", "config schema VERB", "the JSON schema of a verb's configs, for editors", "eosin config schema pretrain", {}, schema, nullptr},
  };
  return verb;
}

}  // namespace eosin::apps
