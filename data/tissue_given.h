#pragma once
// Masks that the user brings.
#include "data/tissue.h"

#include <string>

namespace eosin::data {

struct GivenMaskConfig {
  std::string folder;
  void visit(config::Visitor& v) { v("folder", folder, "folder of <slide id>.png; a mask covers the whole slide at any size, non-zero = tissue"); }
  void validate(config::Problems& p) const;
};

/// Reads <folder>/<slide id>.png.
/// Errors   Io if it is missing; Data if it is no PNG, or its shape differs from the slide's by more than 5 % (a mask of another slide).
/// Checked  tests/data/test_tissue.cpp.
Tissue segment_given(const GivenMaskConfig& config, const TissueInput& input);

}  // namespace eosin::data
