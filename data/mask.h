#pragma once
// A binary picture that covers a whole slide.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace eosin::data {

/// Cell (u, v) is the rectangle [u W/width, (u+1) W/width) x [v H/height, (v+1) H/height) of a slide of W x H level-0 pixels; 1 = tissue.
struct Mask {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> cells;

  Mask() = default;
  Mask(int64_t h, int64_t w) : height(h), width(w), cells(static_cast<size_t>(h * w)) {}
  uint8_t* row(int64_t v) { return cells.data() + v * width; }
  const uint8_t* row(int64_t v) const { return cells.data() + v * width; }
  bool any() const;
};

/// Intersection over union of two masks of equal size; 1 if both are empty. Shape error if the sizes differ.
double mask_iou(const Mask& a, const Mask& b);

}  // namespace eosin::data
