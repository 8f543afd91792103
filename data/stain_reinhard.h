#pragma once
// Colour transfer by mean and deviation in CIE L*a*b* (Reinhard et al. 2001, "Color transfer between images").
#include <array>
#include <vector>

#include "core/base/config.h"
#include "data/image.h"
#include "data/matrix3.h"
#include "data/stain_fault.h"

namespace eosin::data {

/// Mean and population deviation of L, a and b. Empty lists: not fitted.
struct LabStatistics {
  std::vector<double> mean, std;
  void visit(config::Visitor& v);
  /// Both lists are there, or none is.
  void validate(config::Problems& p) const;
  bool empty() const { return mean.empty(); }
};

/// A rule and what was found with it.
struct ReinhardRule {
  bool modified = false;
  void visit(config::Visitor& v);
};
struct ReinhardFit {
  ReinhardRule rule;
  LabStatistics lab;
  void visit(config::Visitor& v) { rule.visit(v), lab.visit(v); }
  void validate(config::Problems& p) const { lab.validate(p); }
};

/// Errors   degenerate_stains: a deviation below 1e-6; too_little_tissue: no pixels.
/// Differs  float32 as torchstain, but logarithm and exponential are good to 1e-6.
/// Checked  golden data.reinhard_fit.
Fitted<LabStatistics> reinhard_fit(ImageView image);

/// L, a and b times a scale, plus a shift.
struct LabMap {
  Triple scale = {1, 1, 1}, shift = {0, 0, 0};
};

/// Gives a picture with `source` the statistics of `target`; modified: L keeps its mean and only widens, a and b are moved (Roy et al. 2021).
LabMap reinhard_map(const LabStatistics& source, const LabStatistics& target, bool modified);

/// Values are cut to integers, as torchstain does.
/// Checked  golden data.reinhard.
void apply(const LabMap& map, ImageView in, Image& out);

}  // namespace eosin::data
