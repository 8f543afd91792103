#include "data/tile_grids.h"

#include "core/base/error.h"
#include "data/clam_grid.h"

#include <algorithm>
#include <memory>

namespace eosin::data {
namespace {

struct GlobalGridConfig {
  void visit(config::Visitor&) {}
};

struct ClamGridConfig {
  std::string contour_fn = "four_pt";
  bool use_padding = true;
  void visit(config::Visitor& v) {
    v("contour_fn", contour_fn, "points of a tile that must lie in a tissue region: its corner, its centre, any or all of four around the centre",
      config::OneOf{kContourTests});
    v("use_padding", use_padding, "tiles may hang over the slide's right and lower edge");
  }
};

Grid lay_global(const GlobalGridConfig&, const GridInput& input) { return make_grid(input.slide, input.tissue.mask, input.spec); }

/// The regions' grids joined: a place that lies in two of them is one tile.
Grid lay_clam(const ClamGridConfig& config, const GridInput& input) {
  const Mask& mask = input.tissue.mask;
  GridSpec whole = input.spec;
  whole.partial = config.use_padding;
  Grid grid = empty_grid(input.slide, mask, whole);
  const std::vector<TissueRegion> regions = input.tissue.regions.empty() ? tissue_regions(mask) : input.tissue.regions;
  auto places = clam_coords(input.slide, regions, static_cast<double>(input.slide.width) / static_cast<double>(mask.width),
                            static_cast<double>(input.slide.height) / static_cast<double>(mask.height),
                            {grid.tile_level0, grid.step_level0, 1, 1, config.contour_fn, config.use_padding});
  places.erase(std::unique(places.begin(), places.end()), places.end());
  for (const Point& p : places) grid.tiles.push_back({p.x, p.y, tissue_fraction(input.slide, mask, p, grid.tile_level0)});
  grid.candidates = std::max(grid.candidates, static_cast<int64_t>(places.size()));
  return grid;
}

template <class C>
TileGrid grid_row(std::string name, std::string one_line, std::string source, Grid (*lay)(const C&, const GridInput&)) {
  return {{std::move(name), std::move(one_line), std::move(source), [] { return std::make_unique<config::ConfigOf<C>>(); }},
          [lay](const config::AnyConfig& c, const GridInput& input) { return lay(dynamic_cast<const config::ConfigOf<C>&>(c).value, input); }};
}

}  // namespace

const std::vector<TileGrid>& tile_grids() {
  static const std::vector<TileGrid> table = {
      grid_row("global", "one grid from the slide's corner; a tile is kept by its share of tissue (tile.min_tissue)", "this project", lay_global),
      grid_row("clam", "CLAM's grids, one from the corner of each tissue region; a tile is kept by points of it that lie in the region",
               "Lu et al. 2021, Nat Biomed Eng 5:555 (CLAM)", lay_clam),
  };
  return table;
}

const std::vector<config::ConfigRow>& tile_grid_rows() {
  static const std::vector<config::ConfigRow> rows = [] {
    std::vector<config::ConfigRow> r;
    for (const auto& g : tile_grids()) r.push_back(g.row);
    return r;
  }();
  return rows;
}

Grid lay_grid(const config::Choice& choice, const GridInput& input) {
  const auto& table = tile_grids();
  const auto row = std::find_if(table.begin(), table.end(), [&](const TileGrid& g) { return g.row.name == choice.name(); });
  EOSIN_ASSERT(row != table.end());
  return row->lay(choice.config(), input);
}

}  // namespace eosin::data
