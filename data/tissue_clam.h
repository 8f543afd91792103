#pragma once
// CLAM's tissue segmentation to the pixel, and plain Otsu on saturation.
#include "data/tissue.h"

namespace eosin::data {

/// Parameters under CLAM's names; the defaults are its preset "default". Areas a_t and a_h are in units of
/// ref_patch_size^2 / (downsample_x downsample_y) mask pixels, with that quotient truncated.
struct ClamConfig {
  int64_t seg_level = -1;
  int64_t sthresh = 8;
  int64_t mthresh = 7;
  int64_t close = 4;
  bool use_otsu = false;
  double a_t = 100;
  double a_h = 16;
  int64_t max_n_holes = 8;
  int64_t ref_patch_size = 512;

  static ClamConfig tcga();
  static ClamConfig bwh_biopsy();
  static ClamConfig bwh_resection();

  void visit(config::Visitor& v) {
    v("seg_level", seg_level, "pyramid level to segment; -1 = the largest downsample <= 64", config::Range{-1, 63});
    v("sthresh", sthresh, "saturation above this is tissue", config::Range{0, 255});
    v("mthresh", mthresh, "edge of the median filter, odd", config::Range{1, 255});
    v("close", close, "edge of the closing, 0 = none; an even edge moves the mask by one pixel right and down, as in CLAM", config::Range{0, 255});
    v("use_otsu", use_otsu, "Otsu's threshold instead of sthresh");
    v("a_t", a_t, "smallest area of a region, in squares of ref_patch_size", config::Range{0, 1e9});
    v("a_h", a_h, "smallest area of a hole, in squares of ref_patch_size", config::Range{0, 1e9});
    v("max_n_holes", max_n_holes, "most holes of a region", config::Range{0, 1e9});
    v("ref_patch_size", ref_patch_size, "edge of the square that areas are measured in, level-0 pixels", config::Range{1, 1e6});
  }
  void validate(config::Problems& p) const;
};

struct HsvOtsuConfig {
  int64_t seg_level = -1;
  int64_t mthresh = 7;
  void visit(config::Visitor& v) {
    v("seg_level", seg_level, "pyramid level to segment; -1 = the largest downsample <= 64", config::Range{-1, 63});
    v("mthresh", mthresh, "edge of the median filter, odd", config::Range{1, 255});
  }
  void validate(config::Problems& p) const;
};

/// CLAM's segmentation (Lu et al. 2021, WholeSlideImage.segmentTissue) of one picture: saturation, median, threshold, closing, borders
/// by area. A pixel is tissue if it is inside or on a kept border and not strictly inside one of that border's kept holes.
/// Units    downsample: level-0 pixels a mask pixel, x and y.
/// Errors   Shape if the picture has no pixels; Config if mthresh is even or any parameter outside what ClamConfig::visit says.
/// Differs  a picture without tissue gives an empty mask, where CLAM stops with an exception.
/// Checked  golden data.tissue_mask.
Tissue clam_tissue(const Image& picture, const ClamConfig& config, double downsample_x, double downsample_y);
/// The same on the slide's level `seg_level`. Data error if that level has more than 100 million pixels.
Tissue segment_clam(const ClamConfig& config, const TissueInput& input);

/// Steps 1 to 3 of the above with Otsu's threshold; a constant picture has threshold 0.
/// Errors   as above.
/// Checked  golden data.tissue_mask.
Tissue hsv_otsu_tissue(const Image& picture, const HsvOtsuConfig& config);
Tissue segment_hsv_otsu(const HsvOtsuConfig& config, const TissueInput& input);

/// Every connected piece of a mask with its holes, in mask pixels.
std::vector<TissueRegion> tissue_regions(const Mask& mask);

}  // namespace eosin::data
