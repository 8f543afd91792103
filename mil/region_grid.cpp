#include "mil/region_grid.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::mil {

RegionGrid::RegionGrid(int64_t rows, int64_t region_count)
    : n(rows), regions(region_count), side(static_cast<int64_t>(std::sqrt(static_cast<double>(rows)))) {
  while (side * side < n) ++side;
  side = (side + regions - 1) / regions * regions;
}

Tensor RegionGrid::to_regions(const Tensor& x_NE) const {
  const int64_t edge = side / regions, dim = x_NE.size(1);
  const Tensor square = at::constant_pad_nd(x_NE, {0, 0, 0, side * side - n});
  return square.view({regions, edge, regions, edge, dim}).transpose(1, 2).reshape({regions * regions, edge * edge, dim});
}

Tensor RegionGrid::from_regions(const Tensor& x_RtE) const {
  const int64_t edge = side / regions, dim = x_RtE.size(2);
  return x_RtE.reshape({regions, regions, edge, edge, dim}).transpose(1, 2).reshape({side * side, dim}).narrow(0, 0, n);
}

}  // namespace eosin::mil
