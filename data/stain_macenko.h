#pragma once
// Stain separation by the plane of optical densities (Macenko et al. 2009, "A method for normalizing histology slides").
#include <array>
#include <cstdint>
#include <vector>

#include "core/base/config.h"
#include "data/density_map.h"
#include "data/image.h"
#include "data/stain_fault.h"
#include "data/stain_vectors.h"

namespace eosin::data {

/// The defaults are those of torchstain and of the code it goes back to.
struct MacenkoRule {
  double io = 240, beta = 0.15, alpha = 1, percentile = 99;
  bool centred = true;
  void visit(config::Visitor& v);
};

/// A rule and what was found with it.
struct MacenkoFit {
  MacenkoRule rule;
  StainVectors stains;
  void visit(config::Visitor& v) { rule.visit(v), stains.visit(v); }
  void validate(config::Problems& p) const { stains.validate(p); }
};

/// Stain vectors: the extreme angles, within the plane of the two largest eigenvectors, of the densities that are at least beta in all
/// channels. `max_c` stays empty.
///
/// Errors   too_little_tissue: fewer than 16 such pixels. degenerate_stains: one colour, or one stain.
/// Differs  eigenvectors have a first component >= 0; torchstain leaves their signs to LAPACK.
Fitted<StainVectors> macenko_vectors(ImageView image, const MacenkoRule& rule);

/// The same with `max_c`, a percentile of the amounts in all pixels. degenerate_stains also if one of them is not positive.
/// Checked  golden data.macenko_fit.
Fitted<StainVectors> macenko_fit(ImageView image, const MacenkoRule& rule);

/// Amounts of haematoxylin and of eosin in every pixel.
std::array<std::vector<float>, 2> macenko_concentrations(ImageView image, const StainVectors& stains, double io);

/// Gives a picture with `source` the stains of `target`, or shows one of them alone.
enum class ShownStains { kBoth, kHaematoxylin, kEosin };
/// Checked  golden data.macenko.
DensityMap macenko_map(const StainVectors& source, const StainVectors& target, double io, ShownStains shown = ShownStains::kBoth);

/// Augmentation: each stain's amount becomes amount * scale + shift (Tellez et al. 2019, arXiv:1902.06543; torchstain's MacenkoAugmentor).
struct MacenkoJitter {
  std::array<double, 2> scale = {1, 1}, shift = {0, 0};
  bool operator==(const MacenkoJitter&) const = default;
};
/// Checked  golden data.macenko_augment.
DensityMap macenko_jitter_map(const StainVectors& stains, double io, const MacenkoJitter& jitter);

}  // namespace eosin::data
