#include "data/contact_sheet.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/log.h"

namespace eosin::data {
namespace {

Image denormalized(const Tensor& view_CHW, const MultiCropConfig& views) {
  const Tensor view = view_CHW.to(at::kCPU, at::kFloat).contiguous();
  const ConstPlanes planes{view.const_data_ptr<float>(), view.size(1), view.size(2), view.size(2), view.size(1) * view.size(2)};
  Image out(planes.height, planes.width);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        const auto i = static_cast<size_t>(c);
        const double v = static_cast<double>(planes.row(c, y)[x]) * views.std[i] + views.mean[i];
        out.row(y)[3 * x + c] = static_cast<uint8_t>(std::clamp(v * 255 + 0.5, 0.0, 255.0));
      }
  return out;
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

Image view_sheet(const ViewBatch& batch, const MultiCropConfig& views, int64_t n_tiles) {
  std::vector<std::vector<Image>> rows;
  for (int64_t tile = 0; tile < std::min(n_tiles, static_cast<int64_t>(batch.ids.size())); ++tile) {
    auto& row = rows.emplace_back();
    for (const Tensor& view_BCHW : batch.views_BCHW) row.push_back(denormalized(view_BCHW[tile], views));
  }
  return contact_sheet(rows);
}

Image tile_sheet(const TileStore& store, int64_t n_tiles, int64_t columns) {
  const int64_t n = std::min(n_tiles, static_cast<int64_t>(store.n_tiles()));
  std::vector<std::vector<Image>> rows;
  std::vector<uint8_t> buffer;
  for (int64_t i = 0; i < n; ++i) {
    Image tile;
    try {
      store.read_image(store.n_tiles() * static_cast<uint64_t>(i) / static_cast<uint64_t>(n), buffer, tile);
    } catch (const Error& e) {
      log::warn("[contact sheet] left out: {}", e.what());
      continue;
    }
    if (rows.empty() || static_cast<int64_t>(rows.back().size()) == columns) rows.emplace_back();
    rows.back().push_back(std::move(tile));
  }
  EOSIN_CHECK(!rows.empty(), Data, "[contact sheet] no tile can be read");
  return contact_sheet(rows);
}

}  // namespace eosin::data
