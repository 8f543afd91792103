#pragma once
// The run folder: records (config, manifest, log, metrics, failures) of one run and what it makes, held by one process at a time.
#include "core/base/atomic_file.h"
#include "core/base/config.h"
#include "core/base/file_lock.h"

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace eosin {

/// One slide or tile that could not be used.
struct Failure {
  std::string id, stage, message;
  int64_t attempt = 1;
};

/// Opened by rank 0 alone. A folder that already holds a run of the same config (its name, folder, device, threads and `may_change`
/// aside) is resumed. A process killed at any moment leaves a folder that opens again. A run claims its folder once it has made something: a row of
/// metrics.jsonl, or any file beside these records and tensorboard/ (a checkpoint, features, results). Until then, as after a failed
/// start, another config may have the folder.
///
/// Errors   Config if the folder's run has another config: names the first differing key and both values. Io if another process
///          holds the folder, or it cannot be written.
class RunFolder {
 public:
  struct Options {
    bool fresh = false;                        // take the next free "<dir>-2", "<dir>-3", ...
    bool resume_with_changes = false;          // go on with the new config
    std::vector<std::string> may_change = {};  // keys of this verb that do not make it another run (tile: more slides)
  };
  /// `visit` visits the whole effective config of `verb`.
  RunFolder(const std::string& dir, const config::VisitFn& visit, const std::string& verb, Options options);
  RunFolder(const std::string& dir, const config::VisitFn& visit, const std::string& verb) : RunFolder(dir, visit, verb, Options{}) {}

  const std::string& dir() const { return dir_; }
  /// A file or folder inside, e.g. path("results.json").
  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  /// Whether an earlier process made something of this run.
  bool resumed() const { return resumed_; }

  /// Adds a key to the manifest at once: library versions, devices, hashes of the data.
  void note(const std::string& key, nlohmann::ordered_json value);
  /// What an earlier process of this run noted; null if nothing.
  nlohmann::ordered_json noted_before(const std::string& key) const { return before_.value(key, nlohmann::ordered_json()); }
  /// The newest value of `key` in metrics.jsonl; null if no row has one.
  nlohmann::ordered_json last_metric(const std::string& key) const;
  /// Appends one line to metrics.jsonl.
  void add_metrics(const nlohmann::ordered_json& row);
  /// Drops the rows of metrics.jsonl with a step beyond `step`: the run goes on from there.
  void truncate_metrics_after(int64_t step);
  /// Appends one line to failures.jsonl.
  void add_failure(const Failure& failure);

  /// Does the work and records its exit code and end in the manifest, also when it throws.
  int record(const std::function<int()>& work);

 private:
  void write_manifest() const;
  void finish(int exit_code);

  std::string dir_;
  bool resumed_ = false;
  std::optional<FileLock> lock_;
  nlohmann::ordered_json before_ = nlohmann::ordered_json::object(), manifest_;  // before_: of the processes before this one
  std::optional<AppendFile> metrics_, failures_;
};

}  // namespace eosin
