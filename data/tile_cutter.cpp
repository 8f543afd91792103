#include "data/tile_cutter.h"

#include "core/base/error.h"
#include "data/jpeg.h"

#include <cmath>

namespace eosin::data {
namespace {

/// The slide's own stream. Its header and its end are looked at; a fault between them is found when it is decoded (store verify --decode).
std::vector<uint8_t> copy_tile(const SlidePlan& plan, const TileConfig& config, const GridTile& at) {
  std::vector<uint8_t> stream = plan.slide->jpeg_stream({at.x, at.y}, plan.read.level, {config.tile.size_px, config.tile.size_px});
  const JpegInfo info = read_jpeg_info(stream);
  EOSIN_CHECK(info.width == config.tile.size_px && info.height == config.tile.size_px, Data, "[tile] the slide's tile at ({}, {}) has {} x {} pixels",
              at.x, at.y, info.width, info.height);
  EOSIN_CHECK(stream[stream.size() - 2] == 0xFF && stream.back() == 0xD9, Data, "[tile] the slide's tile at ({}, {}) has no end", at.x, at.y);
  return stream;
}

TileRow row_of(const GridTile& at, int64_t tile_level0) {
  TileRow row;
  row.x = static_cast<int32_t>(at.x);
  row.y = static_cast<int32_t>(at.y);
  row.level0_size = static_cast<uint32_t>(tile_level0);
  row.tissue = static_cast<uint8_t>(std::floor(255 * at.fraction + 0.5));
  return row;
}

}  // namespace

CutTile cut_tile(const SlidePlan& plan, const TileConfig& config, size_t index, TileStageTimes& times) {
  thread_local Image square, scaled;  // so that a tile costs no fresh pages
  const GridTile& at = plan.grid.tiles[index];
  CutTile cut;
  cut.row = row_of(at, plan.grid.tile_level0);
  const bool tests = looks_at_pixels(config.filter);
  if (!config.keeps_pixels() && !tests) return cut;
  try {
    const TileStageTimer timer(times, TileStage::kRead);
    if (!plan.copies)
      read_square(plan, at, square);
    else if (cut.stored = copy_tile(plan, config, at); tests)
      decode_jpeg(cut.stored, square);
  } catch (const Error& e) {
    cut.stored.clear();
    cut.dropped = "damaged";
    cut.message = e.what();
    return cut;
  }
  Image* tile = &square;
  {
    const TileStageTimer timer(times, TileStage::kResize);
    if (!plan.copies) tile = &scale_square(square, config.tile.size_px, scaled);
    if (tests) {
      const TestedTile tested = test_tile(*tile, config.filter);
      cut.row.qc |= tested.marks;
      cut.dropped = tested.dropped.value_or("");
    }
  }
  if (!cut.dropped.empty()) cut.stored.clear();
  if (!cut.dropped.empty() || plan.copies || !config.keeps_pixels()) return cut;
  if (plan.stain) {
    const TileStageTimer timer(times, TileStage::kStain);
    if (plan.stain->normalize(*tile)) cut.row.qc |= kQcStainLeft;
  }
  const TileStageTimer timer(times, TileStage::kEncode);
  if (config.encoding.codec == "raw")
    cut.stored = tile->rgb;
  else
    encode_jpeg(*tile, static_cast<int>(config.encoding.quality), subsampling_from(config.encoding.subsampling), cut.stored);
  return cut;
}

}  // namespace eosin::data
