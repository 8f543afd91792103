#pragma once
// One file per verb; main.cpp holds the table. A verb parses its config with core/base/config, builds the parts, runs them,
// prints its result with `result`, and returns the exit code.
#include "core/base/config.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace eosin::apps {

/// The command line after the verb: `CONFIG.yaml` (or other positional words), `key=value` overrides, flags.
struct Invocation {
  std::vector<std::string> words;      // positional, in order; a word with '=' and a key's shape is an override
  std::vector<std::string> overrides;  // "optim.lr=1e-4"
  bool json = false, quiet = false, verbose = false, dry_run = false, fresh = false, resume_with_changes = false;
  std::vector<std::string> flags;  // other --flags that the verb's row lists, as typed: "--decode", "--nproc=2"

  bool has_flag(const std::string& flag) const;
  /// The source of a verb that takes one optional CONFIG.yaml: the file, if any, with the overrides applied.
  /// Usage error (Config) when there are more words.
  config::Source source() const;
  /// The source of a verb whose words are paths: the overrides, and flags with a value ("--format=hf" is format=hf).
  config::Source settings() const;
};

struct Verb {
  std::string name;
  std::string usage;  // "tile [CONFIG.yaml] [key=value ...]"
  std::string one_line;
  std::string example;             // works as pasted
  std::vector<std::string> flags;  // what it takes beside the common ones: "--decode what it does", "--nproc=N what it is"
  std::function<int(const Invocation&)> run;
  /// The verb's config with its defaults, for --help and `config`: make_config<TileConfig>(); null if it has none.
  std::function<std::unique_ptr<config::AnyConfig>()> make_config;
  /// What the verb does by the word behind its name ("bench store"), each with usage, example and keys of its own; then the verb has no `run`.
  std::vector<Verb> actions = {};

  /// Whether its word is a CONFIG.yaml with all that it needs; else its words are paths, which a config has no keys for.
  bool takes_config_file() const { return usage.find("[CONFIG.yaml]") != std::string::npos; }
};

template <config::Struct T>
auto make_config() {
  return [] { return std::make_unique<config::ConfigOf<T>>(); };
}

/// The table (apps/verbs.cpp joins it). One function per verb file, declared here.
const std::vector<Verb>& verbs();
Verb demo_verb();
Verb tile_verb();
Verb store_verb();
Verb pretrain_verb();
Verb embed_verb();
Verb mil_verb();
Verb eval_verb();
Verb compare_verb();
Verb segmentation_verb();
Verb bench_verb();
Verb report_verb();
Verb export_verb();
Verb import_verb();
Verb config_verb();
Verb list_verb();
Verb doctor_verb();
Verb run_verb();
Verb launch_verb();

/// Runs a verb, or its action that the first word names; an action gets the words behind its name.
/// Errors   Config with the actions, and the nearest, if the word names none; those of the verb.
int perform(const Verb& verb, Invocation invocation);

/// What a config can be of, by its full name: "tile", "bench store".
struct Job {
  std::string name;
  const Verb* verb;
};
/// All verbs and actions that have a config.
std::vector<Job> jobs();
std::vector<std::string> job_names();
/// The job of that full name; null if there is none.
const Verb* find_job(std::string_view name);

/// Prints the result on stdout: one JSON object with --json, else "key: value" lines (nested objects indented).
void print_result(const Invocation& invocation, const nlohmann::ordered_json& result);
/// The object on one line of stdout. Bytes of names that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& object);

}  // namespace eosin::apps
