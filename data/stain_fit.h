#pragma once
// A reference for stain normalisation, from a picture or from a cohort: the work behind `eosin store stain-fit`.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/config.h"
#include "data/stain.h"
#include "data/stain_randstainna.h"

namespace eosin::data {

struct StainFitConfig {
  std::string out, name;
  int64_t tiles = 256, pixels = kStainPixels;
  MacenkoRule macenko;
  ReinhardRule reinhard;
  VahadaneRule vahadane;
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

struct StainFit {
  StainProfile profile;
  int64_t tiles = 0, tiles_unread = 0;
  std::vector<std::pair<std::string, StainFault>> faults;  // methods without a fit
  std::vector<ColorCohort> cohorts;                        // for randstainna, in its three spaces
};

/// `path`: a picture, of which every pixel counts as in the original methods; or a store, of which up to `pixels` tissue pixels of `tiles` tiles,
/// evenly spread, are pooled.
///
/// Errors   Data if no method can be fitted, or the picture or every tile is unreadable. Io.
/// Checked  tests/data/test_stain_use.cpp.
StainFit fit_stains(const std::string& path, const StainFitConfig& config, const std::function<void(int64_t done, int64_t total)>& progress = {});

}  // namespace eosin::data
