#pragma once
// One tile of a planned slide: a pure function of the slide, the plan and the config, called by many threads.
#include "data/shard.h"
#include "data/slide_plan.h"
#include "data/tile_stages.h"

#include <cstdint>
#include <string>
#include <vector>

namespace eosin::data {

struct CutTile {
  TileRow row;                  // slide and crc32c are the writer's
  std::vector<uint8_t> stored;  // JPEG stream or raw pixels; empty if the tile is not kept, or only its coordinates are
  std::string dropped;          // "hsv", "white", "black" or "damaged"; empty if it is kept
  std::string message;          // of a damaged tile
};

/// Reads tile `index` of the plan's grid, resizes it to the tile size (bicubic), tests it, brings its colours to the reference's, and encodes it; or
/// copies its stream. A region that cannot be read makes a damaged tile, not an error.
CutTile cut_tile(const SlidePlan& plan, const TileConfig& config, size_t index, TileStageTimes& times);

}  // namespace eosin::data
