#include "data/tile_config.h"

#include <fmt/format.h>

#include "core/base/sha256.h"

namespace eosin::data {

void TileGridConfig::validate(config::Problems& p) const {
  if (overlap_px >= size_px)
    p.add("overlap_px", fmt::format("tiles would never advance (got {}, need less than tile.size_px = {})", overlap_px, size_px));
}

std::string tiling_identity(const TileConfig& config, const StainReference* stain) {
  TileConfig copy = config;
  const std::string identity = config::hash(config::visit_of(copy), {"slides", "store", "max_failed_fraction", "run", "stain"});
  return stain ? sha256(identity + stain->description() + stain->digest()) : identity;
}

}  // namespace eosin::data
