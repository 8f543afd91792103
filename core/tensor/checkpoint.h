#pragma once
// Checkpoints that are complete and verified, or absent. Layout of a run's `checkpoints` folder:
//
//   step-00001000/MANIFEST.json         written last: size and CRC-32C (per 64 MiB) of every other file, SHA-256 of itself
//                 state.json            the state's values
//                 model.safetensors ... its tensors, one file for each first part of their names ("model/...")
//   step-00001500.tmp-<pid>/            being written, or left by a kill; the next save removes it
//   LATEST                              the name of the newest, for people and scripts
//
// Goals      kill -9 at any moment costs at most the checkpoint that was being written; a flipped bit is found and named.
// Non-goals  several writers: one process (rank 0 under the run folder's lock) saves.
#include "core/tensor/state.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin {

struct Checkpoint {
  int64_t step = 0;
  State state;
  std::string path;
};

/// Writes the state as step-<step>: temporary folder, fsync of all, rename, fsync, LATEST. Then removes the oldest beyond the
/// `keep` newest (0 keeps all), after reading the new one back. A checkpoint of the same step is replaced in one exchange.
/// Errors   Io (a full disk names path and free space): the temporary folder is removed, earlier checkpoints are untouched.
/// Checked  tests/tensor/test_checkpoint.cpp: kill -9 campaign, disk full, retention.
void save_checkpoint(const std::string& folder, int64_t step, const State& state, int64_t keep = 0);

/// The newest that verifies, every byte of it; each damaged one that is passed over is logged with file and check. Reads only.
/// Empty when there is none. Errors   Data when there are checkpoints and all are damaged.
std::optional<Checkpoint> load_latest(const std::string& folder);

/// One checkpoint by its path. Errors   Data naming the file and the check that failed; Io if it cannot be read.
Checkpoint load_checkpoint(const std::string& path);

/// Steps of the complete checkpoints, ascending, not verified.
std::vector<int64_t> checkpoint_steps(const std::string& folder);
/// folder/step-00001000.
std::string checkpoint_path(const std::string& folder, int64_t step);

}  // namespace eosin
