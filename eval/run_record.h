#pragma once
// A run folder as a report reads it: whatever of its files is there (docs/formats.md).
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

struct Picture {
  std::string name, caption;  // file name; what captions.json beside it says, else the name made readable
  std::string mime, bytes;
};

struct RunRecord {
  std::string dir, name, verb;  // name: run.name of the config, else the folder's
  std::string config_yaml, model_card;
  nlohmann::ordered_json manifest, results;     // null if absent
  std::vector<nlohmann::ordered_json> metrics;  // one a step, ascending; of a step logged twice (resume) the later
  std::vector<nlohmann::ordered_json> slides, failures;
  std::vector<Picture> pictures;   // pictures/, then qc/
  size_t pictures_left_out = 0;    // beyond the budget of bytes
  std::vector<std::string> notes;  // lines that could not be read, and the like
};

/// Reads a folder. A last line cut short by a kill is left out; any other line that is no JSON is noted.
///
/// Errors   Io if the folder is missing or holds none of config.yaml, metrics.jsonl, results.json, slides.jsonl.
RunRecord read_run(const std::string& dir);

}  // namespace eosin::eval
