#pragma once
// Builds a pretraining run from its config and joins the parts; from here on only typed structs.
#include "apps/pretrain_config.h"
#include "core/base/run_folder.h"
#include "core/tensor/comm.h"
#include "train/log_hook.h"
#include "train/trainer.h"
#include "train/typed_task.h"

#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>

namespace eosin::apps {

/// One process of a run: who it is among the ranks, its device, and, on rank 0, the run folder.
struct RunPlace {
  LaunchEnv env;
  std::shared_ptr<Comm> comm;
  c10::Device device = c10::Device(c10::kCPU);
  data::ViewForm views = data::ViewForm::kFloat;
  std::string dir;              // the same on every rank
  RunFolder* folder = nullptr;  // rank 0 only
};

/// In which form this process's loader gives its views, as data.augment says: float on a CPU; to a GPU bfloat16, or tiles and parameters.
/// Errors   Config if the GPU is to render and there is none.
data::ViewForm choose_view_form(const PretrainConfig& config, const LaunchEnv& env, c10::Device device);

/// The parts of `eosin pretrain`.
class Pretraining {
 public:
  /// Errors   Io, Data: store or checkpoints; those of the parts.
  Pretraining(const PretrainConfig& config, const RunPlace& place);
  ~Pretraining();

  /// Takes up the newest checkpoint where there is one, and whatever measures and records the run.
  void resume();
  train::Outcome run() { return trainer_->run(); }
  /// Instead of both: what every module makes of a step, from a checkpoint (0: the beginning) before it. `first_position`: of the step's tiles.
  /// Errors   those of load_checkpoint: it may have been removed since.
  train::Trainer::Examined replay(int64_t checkpoint, int64_t step, int64_t first_position);

  int64_t steps_done() const { return trainer_->progress().step; }
  /// Of the steps that this process did.
  double loss() const { return log_->last_loss(); }
  /// Tiles so far without the stain augmentation drawn for them, because their stains could not be told; none where no view has any.
  std::optional<int64_t> stain_left() const;
  double images_per_second() const { return log_->images_per_second(); }

 private:
  void open_source();
  void take_labels();
  void add_hooks();
  void add_pictures(const std::shared_ptr<train::EventWriter>& events);
  train::LogSinks sinks();
  std::function<train::NamedValues()> probes() const;
  void note_data();

  PretrainConfig config_;
  RunPlace place_;
  std::shared_ptr<const data::TileSource> source_;
  std::shared_ptr<const data::TileStore> store_;  // that the probe measures on; null without one
  data::ClassList classes_;                       // of the labels; empty without
  std::shared_ptr<data::ViewLoader> loader_;
  std::shared_ptr<ssl::ViewObjective> objective_;
  std::unique_ptr<train::Task> task_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::unique_ptr<train::Trainer> trainer_;
  std::shared_ptr<train::LogHook> log_;
};

}  // namespace eosin::apps
