#pragma once
// One picture of many: what tiles and crops look like, for the report and TensorBoard.
#include <cstdint>
#include <vector>

#include "data/image.h"
#include "data/tile_order.h"
#include "data/tile_source.h"
#include "data/view_presets.h"

namespace eosin::data {

/// Rows of pictures on white, top-aligned in their row, left-aligned in the sheet, `gap` pixels around each.
/// Errors   Shape if there is no picture.
Image contact_sheet(const std::vector<std::vector<Image>>& rows, int64_t gap = 4);

/// The first `n_tiles` tiles that a loader with this order and seed gives, a row each: the tile, then all its views as they were before
/// normalising. Tiles that cannot be read are left out.
/// Errors   Data if none can be read.
Image view_sheet(const TileSource& source, const TileOrder& order, const MultiCropConfig& views, uint64_t seed, int64_t n_tiles);

}  // namespace eosin::data
