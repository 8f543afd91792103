#pragma once
// Where tiles lie: grids by name, each with its own keys.
#include "core/base/config.h"
#include "data/grid.h"
#include "data/tissue.h"

#include <functional>
#include <string>
#include <vector>

namespace eosin::data {

/// What a grid may look at.
struct GridInput {
  Size slide;
  const Tissue& tissue;
  GridSpec spec;
};

/// A row of the table: name, keys with defaults, source, and what to do.
struct TileGrid {
  config::ConfigRow row;
  std::function<Grid(const config::AnyConfig&, const GridInput&)> lay;
};
const std::vector<TileGrid>& tile_grids();
/// The same rows as config::Choice takes them (and `eosin list` prints them).
const std::vector<config::ConfigRow>& tile_grid_rows();

/// Lays the chosen grid; a place is never in it twice.
/// Errors   as make_grid() and clam_coords().
/// Checked  tests/data/test_grid.cpp.
Grid lay_grid(const config::Choice& choice, const GridInput& input);

}  // namespace eosin::data
