#pragma once
// What the config's head says of the tiles of every bag, by a model that has never seen it: the one of the first split that tests the bag.
#include "apps/mil_arms.h"
#include "mil/tile_scores.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace eosin::apps {

/// Whether the run looks at tiles at all.
bool looks_at_tiles(const MilConfig& config);
/// Whether a trial's weights are kept for that: the config's head under the honest protocol, of the first seed, in a split that is the first
/// to test some bag.
bool is_looked_through(const MilConfig& config, const eval::SplitPlan& plan, const mil::Trial& trial);
/// Where a model's weights are, below the run folder.
std::string weights_file(const std::string& run_dir, const std::string& key);

/// A bag with its prediction and what is said of its tiles.
struct ScoredBag {
  int64_t bag = 0, target = 0, predicted = 0;  // class numbers; of survival: event, and 0; of targets 0
  size_t split = 0;
  std::vector<double> answer;  // probability of every class; every target; of survival the risk alone
  mil::TileScores tiles;

  /// The row of the scores that is the class's, or the only one.
  Tensor scores_of(int64_t c) const { return tiles.score_KN[tiles.by_class ? c : 0]; }
};
/// In the order of bags. Empty if the head says nothing of tiles. `arm` is the config's head under the honest protocol.
///
/// Errors   Io, Data: weights that are gone, or are another model's; Numeric: a score that is not finite, naming the bag.
std::vector<ScoredBag> score_tiles(const MilConfig& config, const MilInputs& inputs, const eval::SplitPlan& plan, const Arena& honest, const Arm& arm,
                                   const std::string& run_dir);

}  // namespace eosin::apps
