#pragma once
// Where the tissue of a slide is, as cells of a grid: what training from slides needs to know before it opens one.
#include "core/base/config.h"
#include "data/slide_list.h"
#include "data/slide_reader.h"
#include "data/tile_ranges.h"
#include "data/tissue.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace eosin::data {

struct OnlineTileConfig {
  int64_t size_px = 256;
  std::vector<double> mpp = {0.5}, mpp_weights;
  double min_tissue = 0.25;
  bool random = true;
  bool allow_upsample = false;
  void visit(config::Visitor& v) {
    v("size_px", size_px, "edge of a tile", config::Range{1, 1024});
    v("mpp", mpp, "micrometres a pixel of the tiles; of several, each tile draws one", config::Range{0.02, 50}, config::Length{1, 16});
    v("mpp_weights", mpp_weights, "how often each mpp is drawn, in proportion; empty: alike", config::Range{0, 1e9});
    v("min_tissue", min_tissue, "smallest share of a cell of the grid (a tile of the finest mpp) that is tissue", config::Range{0, 1});
    v("random", random, "a tile's centre is anywhere in its cell; false: tiles lie on the grid, as `eosin tile` cuts them");
    v("allow_upsample", allow_upsample, "accept slides that are coarser than the finest mpp by more than 5 %");
  }
  void validate(config::Problems& p) const;
  double finest() const;
};

/// The keys of training from slides without a store; words as in `eosin tile`.
struct SlideSourceConfig {
  std::vector<std::string> slides;
  OnlineTileConfig tile;
  TissueConfig tissue;
  std::optional<double> assume_mpp;
  double max_failed_fraction = 0.1;
  int64_t open_slides = 32;
  void visit(config::Visitor& v) {
    v("slides", slides, "instead of a store: slides (as `eosin tile` takes them) of which tiles are cut as they are needed");
    v("tile", tile, "of slides: size and place of the tiles");
    v("tissue", tissue, "of slides: where the tissue is");
    v("assume_mpp", assume_mpp, "micrometres a pixel of slides that do not say", config::Range{0.02, 50});
    v("max_failed_fraction", max_failed_fraction, "more unusable slides than this share end the run", config::Range{0, 1});
    v("open_slides", open_slides, "slides held open at a time", config::Range{1, 100000});
  }
};

/// A slide and the cells of its grid that hold tissue; cell (column, row) is number row * columns + column and begins at
/// (column * step, row * step). Cells are tiles of the finest mpp that lie side by side from the slide's corner.
struct SlidePlaces {
  SlideEntry entry;
  Size size;
  std::vector<double> downsamples;
  double mpp = 0;  // of level 0
  int64_t step = 0, columns = 0;
  TileRanges cells;
  std::string reason;  // why there are no cells; empty if there are
  bool failed = false;
};

/// Finds the places of all slides, by threads. Each slide's are kept in `cache`/<id>.json: a run that goes on takes them from there, those of
/// slides that could not be used too, so that the numbering of its tiles stays.
///
/// Errors   Config, Data: as list_slides; Data if more than max_failed_fraction of the slides cannot be used; Io if the cache cannot be written.
/// Checked  tests/data/test_slide_source.cpp.
std::vector<SlidePlaces> find_places(const SlideSourceConfig& config, const std::string& cache, int64_t threads,
                                     const std::function<void(int64_t done, int64_t slides)>& progress = {});

}  // namespace eosin::data
