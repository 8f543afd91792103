#pragma once
// Stain separation by a sparse non-negative dictionary (Vahadane et al. 2016, doi:10.1109/TMI.2016.2529665).
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/config.h"
#include "data/image.h"
#include "data/stain_fault.h"
#include "data/stain_vectors.h"

namespace eosin::data {

struct VahadaneRule {
  double dictionary_lambda = 0.1, lambda = 0.01, percentile = 99;
  int64_t max_pixels = 20000;
  void visit(config::Visitor& v);
};

/// A rule and what was found with it.
struct VahadaneFit {
  VahadaneRule rule;
  StainVectors stains;
  void visit(config::Visitor& v) { rule.visit(v), stains.visit(v); }
  void validate(config::Problems& p) const;
};

/// Optical densities of a pixel: -ln(max(I, 1) / 255), at least 1e-6.
Triple vahadane_density(const uint8_t* rgb);

/// A pixel's amounts c >= 0 of both stains that minimise 1/2 |density - c HE|^2 + lambda (c1 + c2), by its four active sets.
struct StainAmounts {
  std::array<double, 2> c;
  double objective;
};
/// `rows` are h and e.
/// Checked  golden data.vahadane_concentrations.
StainAmounts vahadane_amounts(const Triple& density, const std::array<Triple, 2>& rows, double lambda);

/// A dictionary and the objective per pixel at the start of each round and after the last: it never rises.
struct StainDictionary {
  std::array<Triple, 2> rows;  // h and e: unit length, not negative
  std::vector<double> objective;
};
/// Alternates between the amounts of all pixels, solved exactly, and one row after another (Mairal et al. 2010, JMLR 11, algorithm 2, on the whole
/// sample), from Ruifrok's haematoxylin and eosin.
///
/// Errors   degenerate_stains: a stain that no pixel has.
/// Checked  tests/data/test_stain.cpp: not negative, unit rows, the objective falls, planted stains are found.
Fitted<StainDictionary> learn_stains(std::span<const Triple> densities, double lambda);

/// From at most max_pixels tissue pixels, evenly spread: the same pixels give the same fit.
///
/// Errors   too_little_tissue: fewer than 16 tissue pixels. degenerate_stains: one stain, or one that no pixel has.
/// Differs  the published method has no reproducible reference (SPAMS draws at random); this one draws nothing.
Fitted<StainVectors> vahadane_fit(ImageView image, const VahadaneRule& rule);

/// The amounts of every pixel, scaled from the source's to the target's, with the target's stains.
/// Checked  tests/data/test_stain.cpp against vahadane_amounts.
void vahadane_apply(const StainVectors& source, const StainVectors& target, double lambda, ImageView in, Image& out);

}  // namespace eosin::data
