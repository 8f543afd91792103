#pragma once
// CLAM's grid: every tissue region has one of its own, which begins at the corner of the region's box (Lu et al. 2021,
// WholeSlideImage.process_contour).
#include "data/outline.h"
#include "data/tissue_clam.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eosin::data {

/// Parameters under CLAM's names.
struct ClamGridSpec {
  int64_t patch_size = 256, step_size = 256;                          // pixels of the patch level
  double patch_level_downsample_x = 1, patch_level_downsample_y = 1;  // their whole part counts
  std::string contour_fn = "four_pt";
  bool use_padding = true;  // tiles may hang over the slide's right and lower edge
};

/// Names of contour tests: which points of a tile must lie inside a region or on its border.
inline const std::vector<std::string> kContourTests = {"basic", "center", "four_pt", "four_pt_hard"};

/// Top-left corners of CLAM's tiles, level-0 pixels, by y, then x. Candidates start at the corner of each region's box; one is kept if the
/// contour test passes (basic: the corner; center; four_pt: any of four points around the centre; four_pt_hard: all four) and the centre lies
/// strictly inside none of the region's holes. Tiles of different regions may overlap or be equal.
///
/// Units    regions in mask pixels of `downsample_x` x `downsample_y` level-0 pixels.
/// Errors   Config naming the value: sizes, steps or downsamples that are not positive, an unknown contour_fn. Shape: a slide without pixels.
/// Checked  golden data.clam_coords; tests/data/test_grid.cpp.
std::vector<Point> clam_coords(Size slide, std::span<const TissueRegion> regions, double downsample_x, double downsample_y, const ClamGridSpec& spec);

/// The same for a picture of the whole slide: clam_tissue(), then its regions' grids.
/// Errors   of both.
std::vector<Point> clam_coords(Size slide, const Image& picture, const ClamConfig& config, double downsample_x, double downsample_y,
                               const ClamGridSpec& spec);

/// The same for a slide: segment_clam(), then the grid of `patch_level`, whose downsample replaces that of `spec`.
/// Errors   of both; Config if the slide has no such level.
std::vector<Point> clam_coords(const SlideReader& slide, const ClamConfig& config, int64_t patch_level, ClamGridSpec spec);

/// Level-0 edge of the tiles of such a slide: patch_size times the whole part of the level's downsample.
int64_t clam_tile_level0(const SlideReader& slide, int64_t patch_level, int64_t patch_size);

/// Which cells of `cell` x `cell` level-0 pixels have their centre in a tile: what coordinate lists of different origin share is mask_iou() of
/// two of these. The mask covers the slide and one tile more to the right and below.
Mask covered_cells(Size slide, std::span<const Point> tiles, int64_t tile_level0, int64_t cell = 32);

}  // namespace eosin::data
