#pragma once
// The self-supervised methods that a config may name: `method: {name: dino, ...}`.
#include "core/base/config.h"
#include "core/nn/backbones.h"
#include "core/nn/encoder_spec.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "data/labelled_source.h"
#include "data/tile_store.h"
#include "train/objective.h"

#include <memory>
#include <optional>
#include <vector>

namespace eosin::data {
class TileStore;
}

namespace eosin::ssl {

using ViewObjective = train::Objective<data::ViewBatch>;

/// Everything a method is built from besides its own config.
struct Ingredients {
  nn::BackboneConfig model;
  std::vector<double> mean, std;  // of the views, so that the encoder's users normalise alike
  uint64_t seed = 0;
  std::shared_ptr<Comm> comm;
  data::ClassList classes;                       // of the labels; empty: there are none
  std::shared_ptr<const data::TileStore> store;  // that batches number their tiles in; null: they are not of one store
};

const std::vector<config::ConfigRow>& method_table();
/// The method with initial weights, from `model.init` where that is given (what it lacks and what was resized is logged).
std::unique_ptr<ViewObjective> make_objective(const config::Choice& method, const Ingredients& ingredients);

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
/// Adds a problem for each rule that is broken: a method on tokens with a model that has none, crops too small or no multiple of the patch, too few
/// views, views that nothing looks at, a warm-up longer than the run, a batch too small for a regulariser or Sinkhorn-Knopp, masks that leave
/// nothing, merged tokens or rotary positions where a method cannot have them, labels that are missing or that nothing reads. Keys are dotted from
/// the top of the config.
void check_run(const config::Choice& method, const RunShape& run, config::Problems& problems);

}  // namespace eosin::ssl
