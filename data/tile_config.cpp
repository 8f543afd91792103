#include "data/tile_config.h"

#include <fmt/format.h>

namespace eosin::data {

void TileGridConfig::validate(config::Problems& p) const {
  if (overlap_px >= size_px)
    p.add("overlap_px", fmt::format("tiles would never advance (got {}, need less than tile.size_px = {})", overlap_px, size_px));
}

std::string tiling_identity(const TileConfig& config) {
  TileConfig copy = config;
  return config::hash(config::visit_of(copy), {"slides", "store", "max_failed_fraction", "run"});
}

}  // namespace eosin::data
