#include "core/base/run_folder.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/version.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>
#include <sstream>

namespace eosin {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

/// Keys that do not make it another run.
std::vector<std::string> not_identity(std::vector<std::string> of_verb) {
  for (const char* key : {"run.dir", "run.name", "run.device", "run.threads"}) of_verb.emplace_back(key);
  return of_verb;
}

std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

/// Messages may hold names that are not UTF-8; a log line must not fail over them.
std::string line_of(const Json& row) { return row.dump(-1, ' ', false, Json::error_handler_t::replace); }

void make_folder(const std::string& dir) {
  std::error_code code;
  fs::create_directories(dir, code);
  if (code) fail_errno(fmt::format("[{}] cannot create the run folder", dir), code.value());
}

bool has_run(const std::string& dir) { return fs::exists(fs::path(dir) / "config.yaml"); }

/// Whether a run made something here, beside its records.
bool holds_work(const std::string& dir) {
  static const std::set<std::string> records = {".lock", "config.yaml", "manifest.json", "log.txt", "metrics.jsonl", "failures.jsonl", "tensorboard"};
  const fs::path metrics = fs::path(dir) / "metrics.jsonl";
  if (fs::exists(metrics) && fs::file_size(metrics) > 0) return true;
  for (const auto& entry : fs::recursive_directory_iterator(dir))
    if (entry.is_regular_file() && !records.contains(entry.path().lexically_relative(dir).begin()->string())) return true;
  return false;
}

std::string free_name(const std::string& dir) {
  std::string name = dir;
  for (int i = 2; has_run(name); ++i) name = fmt::format("{}-{}", dir, i);
  return name;
}

/// The differences that make it another run.
std::vector<config::Difference> changes(const std::string& path, const std::string& yaml, const std::vector<std::string>& ignored) {
  std::vector<config::Difference> found;
  try {
    found = config::diff(read_file(path), yaml);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::Config) throw;
    fail(ErrorKind::Config, "[{}] cannot be read ({}); use --fresh for a new folder", path, e.what());
  }
  std::erase_if(found, [&](const auto& d) { return std::find(ignored.begin(), ignored.end(), d.key) != ignored.end(); });
  return found;
}

/// Switches of the libraries; nothing else of the environment, which may hold secrets.
Json environment() {
  Json found = Json::object();
  for (char** e = environ; *e; ++e) {
    const std::string entry = *e;
    const size_t equals = entry.find('=');
    if (equals != std::string::npos && (entry.starts_with("NCCL_") || entry.starts_with("TORCH_")))
      found[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return found;
}

Json read_manifest(const std::string& path) {
  if (!fs::exists(path)) return Json::object();
  Json manifest = Json::parse(read_file(path), nullptr, false);
  return manifest.is_object() ? manifest : Json::object();
}

}  // namespace

RunFolder::RunFolder(const std::string& dir, const config::VisitFn& visit, const std::string& verb, Options options) {
  EOSIN_CHECK(!dir.empty(), Config, "[run] run.dir is empty; need the path of a folder");
  dir_ = fs::path(dir).lexically_normal().string();
  if (dir_.size() > 1 && dir_.back() == '/') dir_.pop_back();
  if (options.fresh) dir_ = free_name(dir_);
  make_folder(dir_);
  lock_.emplace(path(".lock"), dir_);
  resumed_ = has_run(dir_) && holds_work(dir_);
  const std::string yaml = config::to_yaml(visit, verb);
  const std::vector<std::string> ignored = not_identity(std::move(options.may_change));
  Json attempt = {{"started", now()}, {"pid", ::getpid()}};
  if (resumed_) {
    const auto changed = changes(path("config.yaml"), yaml, ignored);
    if (!changed.empty() && !options.resume_with_changes)
      fail(ErrorKind::Config,
           "[{}] holds a run with another config: {} is {} there and {} here{}; use --fresh, --resume-with-changes or another run.dir", dir_,
           changed[0].key, changed[0].a, changed[0].b, changed.size() > 1 ? fmt::format(" (and {} more)", changed.size() - 1) : "");
    for (const auto& d : changed) attempt["changed"][d.key] = {d.a, d.b};
  }
  write_file(path("config.yaml"), yaml);
  const Json old = read_manifest(path("manifest.json"));
  if (resumed_) before_ = old;
  manifest_ = Json{{"verb", verb},
                   {"config_hash", config::hash(visit, ignored)},
                   {"version", version()},
                   {"git_commit", git_commit()},
                   {"torch", built_torch_version()},
                   {"machine", machine()},
                   {"environment", environment()},
                   {"attempts", old.value("attempts", Json::array())}};
  const Json effective = config::to_json(visit);
  if (effective.contains("run") && effective["run"].contains("seed")) manifest_["seed"] = effective["run"]["seed"];
  manifest_["attempts"].push_back(std::move(attempt));
  write_manifest();
  metrics_.emplace(path("metrics.jsonl"));
  failures_.emplace(path("failures.jsonl"));
  log::set_file(path("log.txt"));
}

void RunFolder::write_manifest() const { write_file(path("manifest.json"), manifest_.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"); }

void RunFolder::note(const std::string& key, Json value) {
  manifest_[key] = std::move(value);
  write_manifest();
}

Json RunFolder::last_metric(const std::string& key) const {
  Json last;
  std::istringstream lines(read_file(path("metrics.jsonl")));
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line, nullptr, false);
    if (row.is_object() && row.contains(key)) last = row[key];
  }
  return last;
}

void RunFolder::add_metrics(const Json& row) { metrics_->append(line_of(row)); }

void RunFolder::truncate_metrics_after(int64_t step) {
  std::istringstream lines(read_file(path("metrics.jsonl")));
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line, nullptr, false);
    if (row.is_object() && row.value("step", int64_t{0}) <= step) kept += line + "\n";
  }
  metrics_.reset();
  write_file(path("metrics.jsonl"), kept);
  metrics_.emplace(path("metrics.jsonl"));
}

void RunFolder::add_failure(const Failure& f) {
  failures_->append(line_of({{"id", f.id}, {"stage", f.stage}, {"message", f.message}, {"attempt", f.attempt}}));
}

void RunFolder::finish(int exit_code) {
  manifest_["attempts"].back()["stopped"] = now();
  manifest_["attempts"].back()["exit_code"] = exit_code;
  metrics_->sync();
  write_manifest();
}

int RunFolder::record(const std::function<int()>& work) {
  const auto finish_quietly = [this](int code) {  // the first error is the one to report
    try {
      finish(code);
    } catch (const Error& e) {
      log::warn("{}", e.what());
    }
  };
  try {
    const int code = work();
    finish(code);
    return code;
  } catch (const Error& e) {
    finish_quietly(static_cast<int>(e.kind()));
    throw;
  } catch (...) {
    finish_quietly(static_cast<int>(ErrorKind::Internal));
    throw;
  }
}

}  // namespace eosin
