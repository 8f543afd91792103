#pragma once
// What a slide-level model looks at: scores of tiles as a picture for the eye, and as objects for QuPath.
#include "data/image.h"
#include "data/slide_reader.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace eosin::eval {

/// Square tiles of one slide, with a score each.
struct ScoredTiles {
  std::vector<data::Point> corner;  // top-left, level-0 pixels
  int64_t size_px = 0;              // edge, level-0 pixels
  std::vector<double> score;
};

/// Place of every score among all: midrank / N, in (0, 1], as CLAM shows attention. Rank does not ask how scores are spread.
///
/// Errors   Data: no scores, or one that is not finite (names the position).
std::vector<double> score_percentiles(const std::vector<double>& score);

/// The smallest distance between two columns or rows of tiles; for files that do not say how large a tile is. 0 if there is only one.
int64_t grid_step(const std::vector<data::Point>& corner);

struct HeatmapStyle {
  int64_t longest_px = 2048;  // of the picture's sides; a smaller ground is not enlarged
  double alpha = 0.4;         // of the colours over the ground
  double mpp = 0;             // of level 0, for the scale bar; 0: unknown, no bar
  std::string legend;         // what the colours are of
};
/// Percentiles of the tiles in cividis over the ground, which is a picture of the whole slide, or white if there is none (colours are then
/// opaque). Each tile is painted where it lies; where tiles overlap the colour is of their mean. Below: colour bar, legend, scale bar.
///
/// Units    `slide` is the size of level 0.
/// Errors   Data as score_percentiles; Shape if corners and scores differ in number, or tiles or slide have no size.
/// Checked  tests/eval/test_heatmap.cpp.
data::Image paint_heatmap(const ScoredTiles& tiles, data::Size slide, const data::Image* ground, const HeatmapStyle& style);

/// A value for every tile, under a name.
using Measurement = std::pair<std::string, std::vector<double>>;
/// GeoJSON that QuPath 0.4 and later read: a square of objectType "tile" each, in level-0 pixels, with its measurements.
///
/// Errors   Shape if a measurement has another number of values than there are tiles.
/// Checked  tests/eval/test_heatmap.cpp.
std::string tiles_geojson(const ScoredTiles& tiles, const std::vector<Measurement>& measurements);

}  // namespace eosin::eval
