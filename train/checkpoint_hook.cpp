#include "train/checkpoint_hook.h"

#include "core/base/log.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::train {

std::optional<Checkpoint> newest_checkpoint(const std::string& folder, Comm& comm) {
  std::optional<Checkpoint> found;
  if (comm.rank() == 0) found = load_latest(folder);
  Tensor step = at::full({1}, found ? found->step : -1, at::kLong);
  comm.broadcast(step, 0);
  if (!found && step.item<int64_t>() >= 0) found = load_checkpoint(checkpoint_path(folder, step.item<int64_t>()));
  return found;
}

CheckpointHook::CheckpointHook(Plan plan, std::function<State()> state, Comm& comm) : plan_(std::move(plan)), state_(std::move(state)), comm_(comm) {}

void CheckpointHook::save(int64_t step) {
  if (comm_.rank() == 0) save_checkpoint(plan_.folder, step, state_(), plan_.keep);
  comm_.barrier();
}

void CheckpointHook::after(StepReport& report) {
  if (report.fate != Fate::kGoOn) return;
  if (report.done() % plan_.every == 0 || report.last() || report.stopping) save(report.done());
}

void CheckpointHook::rolled_back(const Progress& progress, int64_t) { save(progress.step); }

BestCheckpointHook::BestCheckpointHook(std::string folder, std::string measure, Trainer& trainer, Comm& comm)
    : folder_(std::move(folder)), measure_(std::move(measure)), trainer_(trainer), comm_(comm) {}

void BestCheckpointHook::after(StepReport& report) {
  const auto found = std::find_if(report.measures.begin(), report.measures.end(), [&](const auto& m) { return m.first == measure_; });
  if (found == report.measures.end() || report.fate != Fate::kGoOn || !std::isfinite(found->second)) return;
  nlohmann::json& best = trainer_.memory("best");
  if (best.contains("value") && found->second <= best["value"].get<double>()) return;
  best = {{"value", found->second}, {"step", report.done()}};
  if (comm_.rank() == 0) {
    save_checkpoint(folder_, report.done(), trainer_.state(), 1);
    log::info("[eval] {} is {:.4g} after step {}, the best so far: {}", measure_, found->second, report.done(), folder_);
  }
  comm_.barrier();
}

}  // namespace eosin::train
