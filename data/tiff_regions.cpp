#include "data/tiff_regions.h"

#include "core/base/error.h"

#include <algorithm>
#include <cstring>

namespace eosin::data {
namespace {

constexpr size_t kCacheBytes = size_t{96} << 20;

}  // namespace

TiffRegions::TiffRegions(TiffTiles tiles) : tiles_(std::move(tiles)), decoded_(kCacheBytes) {}

std::optional<int64_t> TiffRegions::tile_at(const TiffLevel& level, Point at, Size size) const {
  const bool aligned = size == level.tile && at.x % level.tile.width == 0 && at.y % level.tile.height == 0;
  const bool inside = at.x >= 0 && at.y >= 0 && at.x + size.width <= level.size.width && at.y + size.height <= level.size.height;
  if (!aligned || !inside) return std::nullopt;
  const int64_t index = at.y / level.tile.height * level.across() + at.x / level.tile.width;
  return level.bytes[static_cast<size_t>(index)] > 0 ? std::optional(index) : std::nullopt;
}

void TiffRegions::read(const TiffLevel& level, Point at, Size size, uint8_t* rgb) const {
  const int64_t right = std::min(at.x + size.width, level.size.width), bottom = std::min(at.y + size.height, level.size.height);
  // A region that is a tile is decoded into its place: keeping it would cost memory and a copy.
  if (const auto index = tile_at(level, at, size)) return tiles_.decode(level, *index, rgb);
  const bool whole = at.x >= 0 && at.y >= 0 && right == at.x + size.width && bottom == at.y + size.height;
  if (!whole) std::memset(rgb, 255, static_cast<size_t>(size.width * size.height) * 3);
  const int number = static_cast<int>(&level - levels().data());

  for (int64_t ty = std::max<int64_t>(at.y, 0) / level.tile.height; ty * level.tile.height < bottom; ++ty)
    for (int64_t tx = std::max<int64_t>(at.x, 0) / level.tile.width; tx * level.tile.width < right; ++tx) {
      const int64_t index = ty * level.across() + tx, x0 = tx * level.tile.width, y0 = ty * level.tile.height;
      const int64_t left = std::max(at.x, x0), top = std::max(at.y, y0);
      const int64_t width = std::min(right, x0 + level.tile.width) - left, height = std::min(bottom, y0 + level.tile.height) - top;
      if (width <= 0 || height <= 0) continue;  // the region begins beyond the picture
      uint8_t* to = rgb + ((top - at.y) * size.width + left - at.x) * 3;
      if (level.bytes[static_cast<size_t>(index)] == 0) {
        for (int64_t y = 0; y < height; ++y) std::memset(to + y * size.width * 3, 255, static_cast<size_t>(width) * 3);
        continue;
      }
      const auto tile = decoded_.get({number, index}, [&] {
        Image whole_tile(level.tile.height, level.tile.width);
        tiles_.decode(level, index, whole_tile.rgb.data());
        return whole_tile;
      });
      for (int64_t y = 0; y < height; ++y)
        std::memcpy(to + y * size.width * 3, tile->row(top - y0 + y) + (left - x0) * 3, static_cast<size_t>(width) * 3);
    }
}

}  // namespace eosin::data
