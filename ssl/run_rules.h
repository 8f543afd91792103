#pragma once
// Rules between a method and the other blocks of a run: a start that could only end badly is a config error that names what would work.
#include "core/base/config.h"
#include "core/nn/backbones.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace eosin::ssl {

/// What a run's other blocks say, for rules across blocks.
struct RunShape {
  int64_t patch_size = 16;          // of the model, or what else its images must be a multiple of
  std::vector<int64_t> crop_sizes;  // sides of all views, global crops first
  int64_t steps = 0;
  int64_t image_size_px = 224;
  int64_t batch = 64;                          // samples of a micro-step, over all ranks
  std::optional<int64_t> undistorted_px = {};  // side of undistorted views
  bool merges_tokens = false, rope = false;
  std::string labels = {};                     // the column of the classes; empty: none is given
  std::vector<std::string> view_changes = {};  // data::changes_of the views
  double drop_path_rate = 0;
  std::string family = "vit";  // of the model
  int64_t least_size = 1;      // side of the smallest image that it takes
};
/// What a run's `model` block says of it.
RunShape shape_of(const nn::BackboneConfig& model);

/// Adds a problem for each rule that is broken, its key dotted from the top of the config.
using RunRule = void (*)(const config::Choice& method, const RunShape& run, config::Problems& problems);

/// Of every method: crops too small for the model, or no multiple of its patch.
void check_crops(const RunShape& run, config::Problems& problems);

void check_dino(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_ibot(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_dinov2(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_gpfm(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_distill(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_mae(const config::Choice& method, const RunShape& run, config::Problems& problems);
void check_msn(const config::Choice& method, const RunShape& run, config::Problems& problems);
/// Methods on pairs see two crops; others would be rendered for nothing.
void check_pair(const config::Choice& method, const RunShape& run, config::Problems& problems);
/// Methods that learn from classes.
void check_labels(const config::Choice& method, const RunShape& run, config::Problems& problems);

}  // namespace eosin::ssl
