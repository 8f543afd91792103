#pragma once
#include "core/tensor/comm.h"
#include "core/tensor/state.h"
#include "train/hook.h"

#include <functional>
#include <string>

namespace eosin::train {

/// Saves every `every` steps, at the end, and before a stop; rank 0 writes, the others wait for it.
///
/// Errors   those of save_checkpoint (a full disk ends the run; earlier checkpoints stay).
/// Checked  tests/train/test_kill.cpp.
class CheckpointHook final : public Hook {
 public:
  struct Plan {
    std::string folder;
    int64_t every = 500;
    int64_t keep = 3;  // newest that stay; 0 = all
  };
  CheckpointHook(Plan plan, std::function<State()> state, Comm& comm);

  void after(StepReport& report) override;

 private:
  Plan plan_;
  std::function<State()> state_;
  Comm& comm_;
};

}  // namespace eosin::train
