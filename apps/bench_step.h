#pragma once
// The training step of any method and encoder: its speed, its operations, its memory, and the same step in PyTorch.
#include "apps/figure.h"
#include "core/base/config.h"
#include "core/base/run_config.h"
#include "core/nn/backbones.h"
#include "data/view_presets.h"
#include "ssl/methods.h"

#include <optional>

namespace eosin::apps {

/// What of the `run` block a bench has a use for.
struct BenchThreads {
  int64_t threads = 0;
  void visit(config::Visitor& v) { v("threads", threads, "CPU threads; 0 = all cores that this process may use", config::Range{0, 4096}); }
  int64_t used_threads() const;
};

struct BenchRunConfig : BenchThreads {
  int64_t seed = 0;
  void visit(config::Visitor& v) {
    v("seed", seed, "seed of every random draw", config::Range{0, 9.2e18});
    BenchThreads::visit(v);
  }
};

struct StepRunConfig : BenchRunConfig {
  std::string device = "auto";
  void visit(config::Visitor& v) {
    BenchRunConfig::visit(v);
    v("device", device, "cpu, cuda, cuda:N, or auto (cuda where there is one)");
  }
};

struct StepBench {
  nn::BackboneConfig model;
  config::Choice method{ssl::method_table(), "dino"};
  std::optional<std::string> views;
  std::string precision = "fp32";
  bool compiled_peer = false;
  int64_t batch_size = 4, steps = 3, repeats = 3;
  StepRunConfig run;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
  /// The preset with the model's sizes.
  data::MultiCropConfig crops() const;
};

/// The keys of a preset, with the sizes that a config leaves to the model.
nlohmann::ordered_json view_keys(data::MultiCropConfig config);

/// Repeats of `steps` steps on one batch of random numbers, as the trainer takes them, without its log and its data: forward, backward, clipping to
/// one norm, AdamW with the teacher's average. With `peers` the same in PyTorch (scripts/peers/step.py), eager and, if asked for, compiled.
///
/// Operations are those of one step as core/tensor/flop_counter.h counts them: for a transformer the teacher's forward pass and three times the
/// student's, of the tokens and sequences that are really computed, heads and losses included.
/// Errors   Config if there is no peer for the method.
std::vector<std::function<Figure()>> step_cases(const StepBench& bench, bool peers);

}  // namespace eosin::apps
