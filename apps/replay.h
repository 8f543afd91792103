#pragma once
// Steps that went wrong, kept so that they can be run again: replays/step-00001234.json, and `eosin pretrain --replay`.
#include "apps/pretrain_config.h"
#include "apps/verb.h"
#include "core/base/run_folder.h"
#include "data/tile_source.h"
#include "train/hook.h"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace eosin::apps {

/// What --replay needs to know of a step.
struct ReplayStep {
  std::string run_dir;         // that holds the file
  int64_t step = 0;            // done with it: the first is 1
  int64_t checkpoint = 0;      // steps behind the checkpoint to start from; 0: from the beginning
  int64_t first_position = 0;  // of the step's first tile
  int64_t ranks = 1;
  std::string config_hash;
};
/// Errors   Io if there is no such file; Data if it is none of ours.
ReplayStep read_replay(const std::string& path);
/// Of what decides the parameters: not of the run's place, name, device and threads.
std::string replay_hash(const PretrainConfig& config);

/// On rank 0: writes a file for every step that was skipped, that ended the run or took it back, or whose loss is `spike` times the median of
/// the 100 finite ones before it (once until it is back). The file names the step's tiles (position, store file, index, slide, corner), seed,
/// first position, config hash and the checkpoint before it.
///
/// Checked  tests/system/test_main_line.cpp.
class ReplayHook final : public train::Hook {
 public:
  struct Run {
    const PretrainConfig& config;
    const RunFolder& folder;
    std::shared_ptr<const data::TileSource> source;
    const data::TileOrder& order;
    std::function<uint64_t()> position;  // behind the last tile that the loop has taken
    int ranks = 1;
  };
  explicit ReplayHook(Run run) : run_(std::move(run)) {}

  void after(train::StepReport& report) override;

 private:
  bool spikes(double loss);
  void write(const train::StepReport& report, const std::string& reason) const;

  Run run_;
  std::deque<double> losses_;
  bool in_spike_ = false;
};

/// `eosin pretrain --replay FILE`: takes the run's config and the checkpoint that the file names, does the steps up to the one in question without
/// writing anything, and prints what every module makes of it.
int replay(const Invocation& in, const std::string& path);

}  // namespace eosin::apps
