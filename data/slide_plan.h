#pragma once
// All that is decided about a slide before its first tile is cut.
#include "data/grid.h"
#include "data/slide_list.h"
#include "data/slide_scale.h"
#include "data/stain.h"
#include "data/tile_config.h"

#include <memory>
#include <string>

namespace eosin::data {

struct SlidePlan {
  std::unique_ptr<SlideReader> slide;
  Scale scale;
  Image overview;  // at most kOverviewEdge pixels a side
  Tissue tissue;   // mask without cells when the ground is dark
  Grid grid;
  ReadPlan read;
  bool copies = false;                      // every tile of the grid is a JPEG stream of the slide, at the scale asked for, and none is changed
  std::shared_ptr<const SlideStain> stain;  // null: the tiles keep their colours
  std::string no_tiles;                     // why the grid is empty; empty text if it is not
};

inline constexpr int64_t kOverviewEdge = 1024;

/// Opens the slide, resolves its scale, finds tissue, lays the grid, and estimates the slide's colours where `stain` is given.
/// Errors   Io, Data: the slide cannot be used (missing, damaged, no scale, too coarse); the message is its reason.
SlidePlan plan_slide(const SlideEntry& entry, const TileConfig& config, std::shared_ptr<const StainReference> stain = nullptr);

/// The pixels, of the level that is read, that a tile of the grid is made of, into the memory of `out`. Data error if the region is damaged.
void read_square(const SlidePlan& plan, const GridTile& at, Image& out);
/// The tile: the square at the tile's size (bicubic), which is the square itself or `scaled`.
Image& scale_square(Image& square, int64_t size_px, Image& scaled);

/// Errors   Data if tiles of a slide of this scale would be blown up.
void check_resolution(const SlideEntry& entry, double mpp, const TileGridConfig& tile);

/// Whether the slide holds every tile of the plan's grid as a JPEG stream, and the config wants streams.
bool can_copy(const SlidePlan& plan, const TileConfig& config);

/// The overview with the tissue's outline and the tiles that are cut.
Image draw_plan(const SlidePlan& plan);

}  // namespace eosin::data
