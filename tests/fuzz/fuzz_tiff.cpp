#include "data/tiff_damage.h"
#include "data/tiff_regions.h"
#include "data/tiff_tiles.h"
#include "tests/fuzz/tiff_seeds.h"

namespace eosin::fuzz {

/// What the readers of tiled TIFFs do without OpenSlide: a corner of every level.
void read(Bytes bytes) {
  const std::string path = as_file(bytes);
  data::tiff_damage(path);
  const data::TiffRegions regions{data::TiffTiles(path)};
  std::vector<uint8_t> rgb(3 * 64 * 64);
  for (const data::TiffLevel& level : regions.levels()) {
    refused([&] { regions.read(level, {0, 0}, {64, 64}, rgb.data()); });
    refused([&] { regions.read(level, {level.size.width - 32, level.size.height - 32}, {64, 64}, rgb.data()); });
    if (const auto tile = regions.tile_at(level, {0, 0}, level.tile)) refused([&] { regions.stream(level, *tile); });
  }
}

std::vector<std::string> seeds() { return tiff_seeds({1, 2}); }

}  // namespace eosin::fuzz
