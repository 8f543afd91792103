#include "data/mask.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::data {

bool Mask::any() const {
  return std::any_of(cells.begin(), cells.end(), [](uint8_t c) { return c != 0; });
}

double mask_iou(const Mask& a, const Mask& b) {
  EOSIN_CHECK(a.height == b.height && a.width == b.width, Shape, "[mask_iou] masks differ in size (got {} x {} and {} x {})", a.height, a.width,
              b.height, b.width);
  int64_t both = 0, either = 0;
  for (size_t i = 0; i < a.cells.size(); ++i) {
    both += a.cells[i] && b.cells[i];
    either += a.cells[i] || b.cells[i];
  }
  return either == 0 ? 1.0 : static_cast<double>(both) / static_cast<double>(either);
}

}  // namespace eosin::data
