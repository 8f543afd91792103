#pragma once
// Regions of the levels of a tiled TIFF, put together from its tiles.
#include "data/decoded_tiles.h"
#include "data/tiff_tiles.h"

#include <cstdint>
#include <optional>

namespace eosin::data {

/// Thread-safe. Tiles that regions share are decoded once while a bounded cache holds them.
///
/// Checked  tests/data/test_tiff_reader.cpp, tests/data/test_ome_tiff.cpp.
class TiffRegions {
 public:
  explicit TiffRegions(TiffTiles tiles);

  const std::vector<TiffLevel>& levels() const { return tiles_.levels(); }
  /// size.width x size.height RGB pixels whose top-left is `at`, in pixels of the level. Outside the picture and where the file has no tile
  /// they are white. Errors   Data naming tile and reason.
  void read(const TiffLevel& level, Point at, Size size, uint8_t* rgb) const;

  /// The tile that is exactly this region, lies within the picture and holds something.
  std::optional<int64_t> tile_at(const TiffLevel& level, Point at, Size size) const;
  void limit_decoded(size_t bytes) { decoded_.limit(bytes); }
  /// That tile's stream, self-contained.
  std::vector<uint8_t> stream(const TiffLevel& level, int64_t index) const { return tiles_.stream(level, index); }

 private:
  TiffTiles tiles_;
  mutable DecodedTiles decoded_;
};

}  // namespace eosin::data
