#pragma once
#include "core/tensor/tensor.h"

namespace eosin::mil {

/// Tiles in their file's order on a square, cut into regions x regions square regions. The side is ceil(sqrt(N)), rounded up to a multiple
/// of `regions`; zero rows fill it up.
///
/// Shapes   to_regions: x_NE -> [R * R, t, E]; from_regions undoes it and cuts to N.
/// Checked  golden mil.rrt.
struct RegionGrid {
  RegionGrid(int64_t n, int64_t regions);
  Tensor to_regions(const Tensor& x_NE) const;
  Tensor from_regions(const Tensor& x_RtE) const;
  int64_t tiles_per_region() const { return (side / regions) * (side / regions); }

  int64_t n, regions, side;
};

}  // namespace eosin::mil
