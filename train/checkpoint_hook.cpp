#include "train/checkpoint_hook.h"

#include "core/tensor/checkpoint.h"

namespace eosin::train {

CheckpointHook::CheckpointHook(Plan plan, std::function<State()> state, Comm& comm) : plan_(std::move(plan)), state_(std::move(state)), comm_(comm) {}

void CheckpointHook::after(StepReport& report) {
  if (report.done() % plan_.every != 0 && !report.last() && !report.stopping) return;
  if (comm_.rank() == 0) save_checkpoint(plan_.folder, report.done(), state_(), plan_.keep);
  comm_.barrier();
}

}  // namespace eosin::train
