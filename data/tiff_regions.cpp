#include "data/tiff_regions.h"

#include "core/base/error.h"

#include <algorithm>
#include <cstring>

namespace eosin::data {
namespace {

constexpr size_t kCacheBytes = size_t{96} << 20;

bool is_one_tile(const TiffLevel& l, Point at, Size size) {
  const bool aligned = size == l.tile && at.x % l.tile.width == 0 && at.y % l.tile.height == 0;
  return aligned && at.x >= 0 && at.y >= 0 && at.x + size.width <= l.size.width && at.y + size.height <= l.size.height;
}

}  // namespace

TiffRegions::TiffRegions(TiffTiles tiles) : tiles_(std::move(tiles)), decoded_(kCacheBytes) {}

std::optional<int64_t> TiffRegions::tile_at(const TiffLevel& level, Point at, Size size) const {
  if (!is_one_tile(level, at, size)) return std::nullopt;
  const int64_t index = at.y / level.tile.height * level.across() + at.x / level.tile.width;
  return level.bytes[static_cast<size_t>(index)] > 0 ? std::optional(index) : std::nullopt;
}

Image TiffRegions::decode(const TiffLevel& level, int64_t index) const {
  Image tile = tiles_.picture(level, index);
  EOSIN_CHECK(tile.width == level.tile.width && tile.height == level.tile.height, Data, "tile {} has {} x {} pixels (need {} x {})", index,
              tile.width, tile.height, level.tile.width, level.tile.height);
  return tile;
}

void TiffRegions::read(const TiffLevel& level, Point at, Size size, uint8_t* rgb) const {
  const int64_t right = std::min(at.x + size.width, level.size.width), bottom = std::min(at.y + size.height, level.size.height);
  const bool whole = at.x >= 0 && at.y >= 0 && right == at.x + size.width && bottom == at.y + size.height;
  if (!whole) std::memset(rgb, 255, static_cast<size_t>(size.width * size.height) * 3);
  const bool one_tile = is_one_tile(level, at, size);
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
      // A region that is a tile is read once: keeping it would cost memory and a copy.
      const auto tile =
          one_tile ? std::make_shared<const Image>(decode(level, index)) : decoded_.get({number, index}, [&] { return decode(level, index); });
      for (int64_t y = 0; y < height; ++y)
        std::memcpy(to + y * size.width * 3, tile->row(top - y0 + y) + (left - x0) * 3, static_cast<size_t>(width) * 3);
    }
}

}  // namespace eosin::data
