#pragma once
// The self-supervised methods that a config may name: `method: {name: dino, ...}`.
#include "core/base/config.h"
#include "core/nn/backbones.h"
#include "core/nn/encoder_spec.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "data/labelled_source.h"
#include "data/tile_store.h"
#include "ssl/run_rules.h"
#include "train/objective.h"

#include <memory>
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

/// Adds a problem for each rule that is broken: a method on tokens with a model that has none, crops too small or no multiple of the patch, too few
/// views, views that nothing looks at, a warm-up longer than the run, a batch too small for a regulariser or Sinkhorn-Knopp, masks that leave
/// nothing, merged tokens or rotary positions where a method cannot have them, labels that are missing or that nothing reads. Keys are dotted from
/// the top of the config.
void check_run(const config::Choice& method, const RunShape& run, config::Problems& problems);

}  // namespace eosin::ssl
