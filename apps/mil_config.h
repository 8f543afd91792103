#pragma once
#include "core/base/config.h"
#include "core/base/run_config.h"
#include "data/cohort.h"
#include "eval/scoring.h"
#include "mil/learner.h"

#include <optional>
#include <string>
#include <vector>

namespace eosin::apps {

/// `eosin mil`: from a cohort and features to cross-validated predictions.
struct MilConfig {
  std::string cohort, features, target, level = "slide";
  std::vector<std::string> classes, targets;
  data::CohortColumns columns;
  bool skip_empty = false;
  std::string nonfinite = "error";
  double memory_gib = 8;
  std::string standardize = "none";

  config::Choice head, task;
  std::vector<std::string> baselines = {"max", "simlp", "linear", "knn"};

  struct Train {
    mil::FitConfig fit;
    std::string select = "val_loss";
    int64_t patience = 20, min_epochs = 0;
    std::string sampling = "natural";
    void visit(config::Visitor& v);
  } train;
  struct Grid {
    std::vector<std::string> heads;
    std::vector<double> lr, weight_decay;
    int64_t seeds = 1, together = 64;
    double checkpoint_minutes = 5;
    void visit(config::Visitor& v);
  } grid;

  std::string splits = "5fold", protocol = "honest", threshold = "validation";
  bool preserve_sites = false, save_weights = false;
  std::optional<int64_t> split_seed;
  std::vector<std::string> accept_leak;
  eval::ScoringConfig scoring;

  /// Which tiles the head looks at, shown after training; none of these keys makes it another run.
  struct Heatmaps {
    int64_t count = 8, top_tiles = 6, longest_px = 2048;
    std::vector<std::string> slides, files;
    std::string of_class, score = "auto", thumbnails, masks;
    double min_inside = 0.5;
    void visit(config::Visitor& v);
    void validate(config::Problems& p) const;
  } heatmaps;
  RunConfig run;

  MilConfig();
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;

  /// Keys that do not make it another run.
  static std::vector<std::string> may_change();
  data::Outcome outcome() const;
  /// The head itself, on bags whose tiles have changed places.
  static constexpr const char* kShuffled = "shuffled_coords";
  bool has_baseline(const std::string& name) const;
  std::vector<double> learning_rates() const, weight_decays() const;
  uint64_t seed_of_splits() const;
};

}  // namespace eosin::apps
