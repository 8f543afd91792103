#pragma once
// Many models in one pass over the bags: every bag is read once for all of them.
#include "data/bag_store.h"
#include "mil/learner.h"

#include <functional>
#include <string>
#include <vector>

namespace eosin::mil {

/// What is trained, on what. Bags come in blocks that are read together, in an order that is a function of (order_seed, epoch) alone and the same for
/// all models, which is what lets them share a reading. Inside of a block every model goes by its own seed.
struct Grid {
  const data::BagStore& bags;
  std::vector<Fold> folds;
  std::vector<int64_t> labels;  // classes of all bags; empty: survival
  FitConfig fit;
  uint64_t order_seed = 0;
  int64_t block_bytes = int64_t{1} << 30;  // of features; at least one bag. Most cohorts of slide features are one to some dozen blocks
};

struct GridOptions {
  int64_t threads = 1;    // models side by side; a model computes in one thread, so that its bits do not depend on their number
  int64_t together = 64;  // models that share a reading and are in memory at a time
  std::function<void(const Trial&, TrialResult)> finished;             // called as stacks of models end, in the order of the trials
  std::function<void(int64_t epochs, int64_t skipped)> progress = {};  // epochs that models did, and those that early stopping saved
  std::string checkpoints = {};  // folder that keeps the models in work, as the next line says and at a stop; empty: they are not kept
  double checkpoint_s = 300;     // between two savings, which are after an epoch
};

/// Trains the models. Every result is what the model would give alone, to the bit, for any threads, company and memory of the store. A loss
/// that is not finite ends its model, not the others.
///
/// Models of the first stack go on from `checkpoints` if it keeps these very ones; where the grid ends nothing is left there.
///
/// Returns false when a stop was asked for: models that were not finished are left out.
/// Checked  tests/mil/test_grid.cpp: alone and together, threads, streamed, a model that fails, a stop between epochs.
bool train_grid(const Grid& grid, const std::vector<Trial>& trials, const GridOptions& options);

}  // namespace eosin::mil
