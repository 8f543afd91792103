#pragma once
// Two stains as optical densities: what they absorb, and how much of each there is where there is much.
#include <cstdint>
#include <vector>

#include "core/base/config.h"
#include "data/matrix3.h"

namespace eosin::data {

/// Haematoxylin is the stain that absorbs more red. Empty lists: not fitted.
struct StainVectors {
  std::vector<double> h, e;   // unit vectors R, G, B
  std::vector<double> max_c;  // a high percentile of the amounts of both

  void visit(config::Visitor& v);
  /// All three lists are there, of the right lengths, or none is.
  void validate(config::Problems& p) const;
  bool empty() const { return h.empty(); }

  Triple column(size_t stain) const;
};

/// Two unit vectors in their order, without amounts.
StainVectors make_stain_vectors(const Triple& a, const Triple& b);

/// Below this angle (its sine) two stains are one.
inline constexpr double kLeastStainAngle = 1e-6;
bool are_one_stain(const StainVectors& stains);

/// The 2 x 3 matrix that takes a density to the amounts of both stains, by least squares.
std::array<Triple, 2> unmixing(const StainVectors& stains);

}  // namespace eosin::data
