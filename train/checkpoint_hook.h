#pragma once
#include "core/tensor/checkpoint.h"
#include "core/tensor/comm.h"
#include "train/trainer.h"

#include <functional>
#include <optional>
#include <string>

namespace eosin::train {

/// The newest checkpoint in `folder` by rank 0's word, so that all ranks go on from the same one.
///
/// Errors   those of load_latest and load_checkpoint.
std::optional<Checkpoint> newest_checkpoint(const std::string& folder, Comm& comm);

/// Saves every `every` steps, at the end, and before a stop, and anew where the run went back to one, whose data go on from elsewhere; not after a
/// step that the run goes back from. Rank 0 writes, the others wait for it.
///
/// Errors   those of save_checkpoint (a full disk ends the run; earlier checkpoints stay).
/// Checked  tests/train/test_kill.cpp, test_roll_back.cpp.
class CheckpointHook final : public Hook {
 public:
  struct Plan {
    std::string folder;
    int64_t every = 500;
    int64_t keep = 3;  // newest that stay; 0 = all
  };
  CheckpointHook(Plan plan, std::function<State()> state, Comm& comm);

  void after(StepReport& report) override;
  void rolled_back(const Progress& progress, int64_t steps) override;

 private:
  void save(int64_t step);

  Plan plan_;
  std::function<State()> state_;
  Comm& comm_;
};

/// Keeps the checkpoint at which a measure was largest, alone in its folder. What was best so far is kept with the run.
///
/// Checked  tests/train/test_roll_back.cpp.
class BestCheckpointHook final : public Hook {
 public:
  BestCheckpointHook(std::string folder, std::string measure, Trainer& trainer, Comm& comm);

  void after(StepReport& report) override;

 private:
  std::string folder_, measure_;
  Trainer& trainer_;
  Comm& comm_;
};

}  // namespace eosin::train
