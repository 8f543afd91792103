#pragma once
// Where tiles lie: one grid with its origin at the slide's corner, exact in micrometres.
#include "data/mask.h"
#include "data/slide_reader.h"

#include <cstdint>
#include <span>
#include <vector>

namespace eosin::data {

struct GridSpec {
  double mpp = 0;         // of level 0
  double target_mpp = 0;  // of the tiles
  int64_t tile_size = 0;  // pixels at target_mpp
  int64_t overlap = 0;    // pixels at target_mpp, < tile_size
  double min_tissue = 0;  // smallest tissue fraction that is kept; a tile without tissue never is
  bool partial = false;   // tiles that hang over the right and lower edge too
};

struct GridTile {
  int64_t x = 0, y = 0;  // level-0 pixels of the top-left corner
  double fraction = 0;   // share of the tile's area that is tissue
};

struct Grid {
  std::vector<GridTile> tiles;  // by y, then x
  int64_t candidates = 0;       // tiles of the whole grid, tissue or not
  int64_t tile_level0 = 0, step_level0 = 0;
};

/// s = target_mpp / mpp; edge floor(tile_size s + 1/2), step max(1, floor((tile_size - overlap) s + 1/2)) level-0 pixels.
/// The tissue fraction is the exact area of set mask cells inside the tile, divided by the tile's area.
/// Errors   Shape: slide or mask without pixels, a tile without level-0 pixels; Config naming the value: mpp, target_mpp or tile_size not
///          positive, overlap outside [0, tile_size).
/// Checked  golden data.grid; tests/data/test_grid.cpp.
Grid make_grid(Size slide, const Mask& mask, const GridSpec& spec);

/// The same grid's lengths and number of candidates, without tiles. Errors as make_grid().
Grid empty_grid(Size slide, const Mask& mask, const GridSpec& spec);
/// Share of a tile's area that is tissue, as in make_grid().
double tissue_fraction(Size slide, const Mask& mask, Point tile, int64_t tile_level0);

struct ReadPlan {
  int level = 0;            // largest downsample <= 1.01 s
  int64_t tile_level0 = 0;  // edge in level-0 pixels
  int64_t read_size = 0;    // edge of the square to read at `level`, to be resized to the tile size when it differs
};
/// Errors   as above, and Config for a downsample that is not positive.
/// Checked  golden data.read_plan.
ReadPlan read_plan(std::span<const double> downsamples, double mpp, double target_mpp, int64_t tile_size);

}  // namespace eosin::data
