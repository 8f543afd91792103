#pragma once
// Our own tissue mask: what absorbs light as a stain does.
//
// Goals      glass of any tint, shadows at slide edges, dust and pen marks stay out; areas are physical, so that the same keys serve
//            any scanner; odd kernels, so that the mask does not move.
// Non-goals  brown (DAB) stains: use clam or hsv_otsu. Tissue under a pen mark.
// Rejected   a fixed saturation threshold (tinted glass passes it), Otsu (finds "tissue" on an empty slide).
#include "data/tissue.h"

namespace eosin::data {

struct AbsorbanceConfig {
  double seg_mpp = 8;
  double min_excess = 0.06;
  bool reject_pen = true;
  int64_t median = 5;
  int64_t close = 5;
  double min_region_um2 = 10000;
  double max_hole_um2 = 10000;
  void visit(config::Visitor& v) {
    v("seg_mpp", seg_mpp, "micrometres a pixel of the mask, about", config::Range{1, 64});
    v("min_excess", min_excess, "tissue absorbs green more than red or blue by at least this much (natural log units)", config::Range{0, 3});
    v("reject_pen", reject_pen, "leave out pen strokes: large marks that absorb red, or as much blue as green, more than haematoxylin and eosin do");
    v("median", median, "edge of the median filter, odd", config::Range{1, 255});
    v("close", close, "edge of the closing, odd; 1 = none", config::Range{1, 255});
    v("min_region_um2", min_region_um2, "smaller pieces are dropped", config::Range{0, 1e12});
    v("max_hole_um2", max_hole_um2, "smaller holes are filled", config::Range{0, 1e12});
  }
  void validate(config::Problems& p) const;
};

/// Absorbance of a channel is -ln((I + 1) / (I0 + 1)), I0 the glass (the picture's 95th percentile of that channel). A pixel is tissue if
/// green exceeds the lower of red and blue by min_excess (haematoxylin and eosin both absorb green most) and it is no part or rim of a pen
/// stroke. Then: median, closing, small pieces dropped, small holes filled.
/// Units    mpp: micrometres a pixel of the picture.
/// Checked  tests/data/test_tissue.cpp.
Tissue absorbance_tissue(const Image& picture, const AbsorbanceConfig& config, double mpp);
Tissue segment_absorbance(const AbsorbanceConfig& config, const TissueInput& input);

}  // namespace eosin::data
