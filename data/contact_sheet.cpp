#include "data/contact_sheet.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/multicrop.h"

namespace eosin::data {
namespace {

Image denormalized(ConstPlanes view, const MultiCropConfig& views) {
  Image out(view.height, view.width);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        const auto i = static_cast<size_t>(c);
        const double v = static_cast<double>(view.row(c, y)[x]) * views.std[i] + views.mean[i];
        out.row(y)[3 * x + c] = static_cast<uint8_t>(std::clamp(v * 255 + 0.5, 0.0, 255.0));
      }
  return out;
}

/// The tile that `read` gives; nothing if it cannot be read.
std::optional<Image> readable_tile(const std::function<void(std::vector<uint8_t>& buffer, Image& tile)>& read) {
  std::vector<uint8_t> buffer;
  Image tile;
  try {
    read(buffer, tile);
  } catch (const Error& e) {
    log::warn("[contact sheet] left out: {}", e.what());
    return std::nullopt;
  }
  return tile;
}

std::vector<Image> views_of(const Image& tile, const ViewMaker& maker, const MultiCropConfig& views, uint64_t seed, uint64_t position) {
  std::vector<std::vector<float>> pixels;
  std::vector<float*> out;
  for (int64_t v = 0; v < maker.n_views(); ++v) {
    pixels.emplace_back(static_cast<size_t>(3 * maker.size_px(v) * maker.size_px(v)));
    out.push_back(pixels.back().data());
  }
  maker.make(tile, seed, position, out);
  std::vector<Image> images;
  for (int64_t v = 0; v < maker.n_views(); ++v)
    images.push_back(denormalized(Planes{out[static_cast<size_t>(v)], maker.size_px(v), maker.size_px(v)}, views));
  return images;
}

}  // namespace

Image contact_sheet(const std::vector<std::vector<Image>>& rows, int64_t gap) {
  int64_t height = gap, width = 0;
  std::vector<int64_t> row_heights;
  for (const auto& row : rows) {
    int64_t row_height = 0, row_width = gap;
    for (const Image& image : row) row_height = std::max(row_height, image.height), row_width += image.width + gap;
    row_heights.push_back(row_height);
    height += row_height + gap;
    width = std::max(width, row_width);
  }
  EOSIN_CHECK(width > gap, Shape, "[contact sheet] there is no picture to show");
  Image sheet(height, width);
  std::fill(sheet.rgb.begin(), sheet.rgb.end(), uint8_t{255});
  int64_t top = gap;
  for (size_t r = 0; r < rows.size(); ++r) {
    int64_t left = gap;
    for (const Image& image : rows[r]) {
      for (int64_t y = 0; y < image.height; ++y) std::copy_n(image.row(y), 3 * image.width, sheet.row(top + y) + 3 * left);
      left += image.width + gap;
    }
    top += row_heights[r] + gap;
  }
  return sheet;
}

Image view_sheet(const TileSource& source, const TileOrder& order, const MultiCropConfig& views, uint64_t seed, int64_t n_tiles) {
  const ViewMaker maker(views);
  std::vector<std::vector<Image>> rows;
  for (uint64_t position = 0; position < std::min(static_cast<uint64_t>(n_tiles), source.n_tiles()); ++position) {
    const TileDraw draw{order.at(position), position};
    const auto tile = readable_tile([&](auto& buffer, Image& out) { source.read_image(draw, buffer, out); });
    if (!tile) continue;
    rows.push_back(views_of(*tile, maker, views, seed, position));
    rows.back().insert(rows.back().begin(), *tile);
  }
  EOSIN_CHECK(!rows.empty(), Data, "[contact sheet] no tile can be read");
  return contact_sheet(rows);
}

}  // namespace eosin::data
