#pragma once
// The colours of a picture, a slide or a cohort as each method sees them. Saved as YAML it is a reference that others are brought to.
#include <string>

#include "core/base/config.h"
#include "data/stain_macenko.h"
#include "data/stain_reinhard.h"
#include "data/stain_vahadane.h"

namespace eosin::data {

struct StainProfile {
  std::string name, source;
  int64_t pixels = 0;
  MacenkoFit macenko;
  ReinhardFit reinhard;
  VahadaneFit vahadane;
  void visit(config::Visitor& v) {
    v("name", name, "of the reference, for logs and attributes");
    v("source", source, "what it was fitted on");
    v("pixels", pixels, "how many pixels it was fitted on; 0: unknown", config::Range{0, 1e15});
    v("macenko", macenko, "plane of optical densities; io to centred hold for slides that are brought to this reference too");
    v("reinhard", reinhard, "mean and deviation in L*a*b*");
    v("vahadane", vahadane, "sparse dictionary of optical densities");
  }
};

/// Errors   Io if it cannot be read; Config, with file:line:col, as core/base/config.h.
StainProfile read_stain_profile(const std::string& path);
void write_stain_profile(const StainProfile& profile, const std::string& path);

/// SHA-256 of the values, name and source aside.
std::string digest_of(const StainProfile& profile);

}  // namespace eosin::data
