#pragma once
// How well scores of tiles find a region that is known: a planted one, or an annotated one.
#include "data/mask.h"
#include "eval/heatmap.h"

#include <optional>
#include <vector>

namespace eosin::eval {

/// Share of every tile's area that the mask marks. The mask covers the whole slide, of `slide` level-0 pixels; beyond it is nothing.
///
/// Errors   Shape if the mask or the slide is empty.
std::vector<double> covered_shares(const ScoredTiles& tiles, const data::Mask& mask, data::Size slide);

struct Localization {
  int64_t tiles = 0, inside = 0;
  double average_precision = 0, auroc = 0;
  double chance = 0;  // the average precision of scores that know nothing: inside / tiles
};
/// Tiles with at least `share` of their area in the mask are positive, and ranked by score. Absent if none is, or all are.
///
/// Checked  tests/eval/test_heatmap.cpp.
std::optional<Localization> localize(const ScoredTiles& tiles, const data::Mask& mask, data::Size slide, double share = 0.5);

}  // namespace eosin::eval
