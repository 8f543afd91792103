// The command line: common flags, exit codes. Verbs are one file each (apps/verb.h), their table is apps/verbs.cpp.
#include "apps/verb.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/base/version.h"
#include "core/tensor/device.h"

#include <c10/util/Exception.h>
#include <hdf5.h>
#include <openslide.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

namespace eosin::apps {
namespace {

/// key=value with a dotted key, as opposed to a path that happens to hold '='.
bool is_override(const std::string& word) {
  const size_t eq = word.find('=');
  if (eq == std::string::npos || eq == 0 || !(std::isalpha(static_cast<unsigned char>(word[0])) || word[0] == '_')) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(eq),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
}

std::string version_text() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  const device::CudaStatus& cuda = device::cuda();
  return fmt::format("eosin {} (commit {})\ntorch {}\nHDF5 {}.{}.{}\nOpenSlide {}\nCUDA: built {}, available {}\n", version(), git_commit(),
                     built_torch_version(), major, minor, release, openslide_get_version(), cuda.built ? "yes" : "no",
                     cuda.available ? fmt::format("yes ({} devices)", cuda.devices) : fmt::format("no ({})", cuda.why_not));
}

std::string keys_text(const Verb& verb) {
  if (!verb.actions.empty()) return fmt::format("\nEach has its own keys: eosin {} {} --help\n", verb.name, verb.actions.front().name);
  if (!verb.make_config) return {};
  const auto defaults = verb.make_config();
  std::string text = "\nKeys (in CONFIG.yaml or as key=value):\n";
  for (const auto& row : config::explain(config::visit_of(*defaults))) {
    text += fmt::format("  {:<34} {}{}{}\n", row.key + "=" + (row.value.empty() ? "..." : row.value), row.help, row.rules.empty() ? "" : "  ",
                        row.rules.empty() ? "" : "[" + row.rules + "]");
  }
  return text;
}

/// CLI11 would say only that a subcommand is required.
void check_verb(const std::string& word) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs()) names.push_back(verb.name);
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const auto near = config::nearest(word, names);
  throw CLI::ParseError(fmt::format("unknown verb '{}'{}", word, near ? fmt::format("; did you mean '{}'?", *near) : ""),
                        CLI::ExitCodes::ExtrasError);
}

/// The verb that was asked for, or its action.
const Verb* chosen_of(const std::vector<Verb>& table, const CLI::App& app) {
  for (const Verb& verb : table) {
    if (!app.got_subcommand(verb.name)) continue;
    const Verb* action = chosen_of(verb.actions, *app.get_subcommand(verb.name));
    return action ? action : &verb;
  }
  return nullptr;
}

struct Parsed {
  const Verb* verb = nullptr;
  Invocation invocation;
};

/// One CLI11 subcommand a verb, and below it one an action; what they share is declared once.
class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", version_text);
    app_.footer("\nExit codes: 0 done, 2 config or usage, 3 data, 4 I/O, 5 shape, 6 numeric, 7 internal, 75 stopped after a checkpoint.");
    for (const Verb& verb : verbs()) add(app_, verb);
  }

  /// Throws CLI::ParseError (also for --help and --version, which are a success).
  Parsed parse(std::vector<std::string> args) {
    std::vector<std::string> tail;
    if (const auto dashes = std::find(args.begin(), args.end(), "--"); dashes != args.end()) {
      tail.assign(dashes + 1, args.end());
      args.erase(dashes, args.end());
    }
    if (!args.empty() && !args[0].starts_with('-')) check_verb(args[0]);
    std::reverse(args.begin(), args.end());
    app_.parse(args);
    Parsed parsed;
    parsed.verb = chosen_of(verbs(), app_);
    parsed.invocation = std::move(invocation_);
    Invocation& in = parsed.invocation;
    for (auto& word : words_) (is_override(word) ? in.overrides : in.words).push_back(word);
    if (!device_.empty()) in.overrides.push_back("run.device=" + device_);
    if (!threads_.empty()) in.overrides.push_back("run.threads=" + threads_);
    for (const auto& [flag, set] : switches_)
      if (set) in.flags.push_back(flag);
    for (const auto& [flag, value] : options_)
      if (!value.empty()) in.flags.push_back(flag + "=" + value);
    in.words.insert(in.words.end(), tail.begin(), tail.end());
    return parsed;
  }

  int explain(const CLI::ParseError& e) { return app_.exit(e); }
  std::string usage_hint() const { return "eosin --help"; }

 private:
  void add(CLI::App& above, const Verb& verb) {
    CLI::App* sub = above.add_subcommand(verb.name, verb.one_line);
    if (!verb.actions.empty()) sub->require_subcommand(0, 1);  // a word that names no action is left for perform(), which knows the nearest
    for (const Verb& action : verb.actions) add(*sub, action);
    sub->description(verb.one_line + "\n  eosin " + verb.usage);
    sub->footer([&verb] { return "\nExample:\n  " + verb.example + "\n" + keys_text(verb); });
    const auto take_words = [this](const std::vector<std::string>& words) { words_.insert(words_.end(), words.begin(), words.end()); };
    sub->add_option_function<std::vector<std::string>>("words", take_words, "what the usage says, and key=value overrides");
    sub->add_flag("--json", invocation_.json, "stdout is one JSON object (or JSON lines) and nothing else");
    sub->add_flag("--quiet", invocation_.quiet, "warnings and errors only, no progress");
    sub->add_flag("--verbose", invocation_.verbose, "debug messages; stacks of internal errors");
    sub->add_flag("--dry-run", invocation_.dry_run, "check everything, print the resolved config and amounts, touch nothing");
    sub->add_flag("--fresh", invocation_.fresh, "a new numbered run folder instead of resuming");
    sub->add_flag("--resume-with-changes", invocation_.resume_with_changes, "resume although the config differs");
    sub->add_option("--device", device_, "run.device");
    sub->add_option("--threads", threads_, "run.threads");
    for (const auto& flag : verb.flags) {
      const std::string name = flag.substr(0, flag.find_first_of(" =")), help = flag.substr(flag.find(' ') + 1);
      if (flag[name.size()] == '=')
        sub->add_option(name, options_[name], help);
      else
        sub->add_flag(name, switches_[name], help);
    }
  }

  CLI::App app_{"eosin trains histopathology models: slides, tiles, self-supervised encoders, features, probes, reports", "eosin"};
  Invocation invocation_;
  std::vector<std::string> words_;
  std::string device_, threads_;
  std::map<std::string, bool> switches_;
  std::map<std::string, std::string> options_;
};

/// The last line of stderr is the whole message, a list of problems too.
int finish_with(ErrorKind kind, std::string message) {
  for (size_t at = 0; (at = message.find('\n', at)) != std::string::npos;) message.replace(at, 1, "; ");
  log::set_status("");
  std::fprintf(stderr, "error: %s\n", message.c_str());
  log::write_to_file(log::Level::Error, message);
  return static_cast<int>(kind);
}

/// Runs the verb and turns every way of failing into its exit code.
int guarded(const Parsed& parsed) {
  const bool verbose = parsed.invocation.verbose;
  try {
    return perform(*parsed.verb, parsed.invocation);
  } catch (const Error& e) {
    return finish_with(e.kind(), e.what());
  } catch (const c10::Error& e) {
    return finish_with(ErrorKind::Internal, verbose ? e.what() : e.what_without_backtrace());
  } catch (const nlohmann::json::exception& e) {
    return finish_with(ErrorKind::Data, fmt::format("[json] a file of the store or the run is damaged: {}", e.what()));
  } catch (const std::filesystem::filesystem_error& e) {
    return finish_with(ErrorKind::Io, e.what());
  } catch (const std::bad_alloc&) {
    return finish_with(ErrorKind::Internal, "[memory] out of memory; a smaller batch or fewer threads may fit");
  } catch (const std::exception& e) {
    return finish_with(ErrorKind::Internal, e.what());
  }
}

}  // namespace
}  // namespace eosin::apps

// OpenMP's threads spin while they wait, which takes the cores from the loader's threads on a busy machine (embedding 636 tiles beside other
// jobs: 4.3 CPU-s spinning, 1.9 without; the same on an idle one).
// The library reads its environment when it is loaded, before main: hence this hook. What the user has set stays.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
static void wait_without_spinning(int, char**, char**) { setenv("GOMP_SPINCOUNT", "1000", 0); }
[[gnu::section(".preinit_array"), gnu::used]] static void (*const kBeforeLibraries)(int, char**, char**) = wait_without_spinning;
#endif

int main(int argc, char** argv) {
  using namespace eosin;
  apps::CommandLine command_line;
  apps::Parsed parsed;
  try {
    parsed = command_line.parse({argv + 1, argv + argc});
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return command_line.explain(e);
    return apps::finish_with(ErrorKind::Config, fmt::format("[command line] {}; see {}", e.what(), command_line.usage_hint()));
  }
  const auto& in = parsed.invocation;
  log::set_level(in.quiet ? log::Level::Warning : in.verbose ? log::Level::Debug : log::Level::Info);
  stop::install();
  return apps::guarded(parsed);
}
