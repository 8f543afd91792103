#pragma once
// Where the tissue is: methods by name, each with its own keys.
#include "core/base/config.h"
#include "data/mask.h"
#include "data/outline.h"
#include "data/slide_reader.h"

#include <functional>
#include <string>
#include <vector>

namespace eosin::data {

struct Tissue {
  Mask mask;                          // covers the whole slide
  Mask binary;                        // the thresholded picture before regions were chosen
  int64_t n_regions = 0;              // kept outer borders
  int64_t n_holes = 0;                // kept holes
  std::vector<TissueRegion> regions;  // those of CLAM's choice, in mask pixels; empty with the other methods
  int level = 0;                      // pyramid level that was looked at
};

/// What a method may look at.
struct TissueInput {
  const SlideReader& slide;
  std::string id;
  double mpp = 0;  // of level 0
};

/// A row of the table: name, keys with defaults, source, and what to do.
struct TissueMethod {
  config::ConfigRow row;
  std::function<Tissue(const config::AnyConfig&, const TissueInput&)> segment;
};
const std::vector<TissueMethod>& tissue_methods();
/// The same rows as config::Choice takes them (and `eosin list` prints them).
const std::vector<config::ConfigRow>& tissue_method_rows();

struct TissueConfig {
  config::Choice method{tissue_method_rows(), "absorbance"};
  bool allow_dark_background = false;
  void visit(config::Visitor& v) {
    v("method", method, "how tissue is found");
    v("allow_dark_background", allow_dark_background, "segment slides with a dark ground (fluorescence) too");
  }
};

/// Runs the chosen method.
Tissue segment_tissue(const TissueConfig& config, const TissueInput& input);

/// True if the mean luminance of the picture's outermost pixels is below 60: fluorescence, not stained tissue on glass (test slides
/// with H&E have 233 to 250, fluorescence 3).
bool has_dark_background(const Image& overview);

}  // namespace eosin::data
