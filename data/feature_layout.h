#pragma once
// Which features file holds which tiles of a store: what `eosin embed` writes and whoever reads features beside tiles relies on.
#include "data/feature_store.h"
#include "data/tile_store.h"

#include <string>
#include <vector>

namespace eosin::data {

/// The tiles of one file, in its order. `ids` are those of all tiles of a store of pictures, which has one file; else there is one a slide.
struct FeatureFile {
  std::string path, name;
  std::vector<int64_t> indices;
  std::vector<std::string> ids;
  FeatureMeta meta;
};
/// Errors   Config if two slides would share a file.
std::vector<FeatureFile> feature_files(const TileStore& store, const std::string& folder);

/// Corners of tiles, level-0 pixels [N, 2].
Tensor tile_coords(const TileStore& store, const std::vector<int64_t>& indices);
/// Of the checksums of the tiles, in their order: FeatureMeta::tiles_crc32c.
std::string tiles_checksum(const TileStore& store, const std::vector<int64_t>& indices);

}  // namespace eosin::data
