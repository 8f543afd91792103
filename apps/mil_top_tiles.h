#pragma once
#include "apps/mil_looks.h"

namespace eosin::apps {

/// The highest tiles of the bags that are surest of each class (of survival: of the highest risks): top_tiles.csv, and a sheet a class for the
/// report where pixels are known. Returns a row a tile.
nlohmann::ordered_json list_top_tiles(Looks& looks);

}  // namespace eosin::apps
