#pragma once
// Outlines of tissue regions, and where a point lies to one.
#include "data/slide_reader.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eosin::data {

/// Vertices of a closed polygon.
using Outline = std::vector<Point>;

/// A connected piece of tissue: its outer border and the holes in it.
struct TissueRegion {
  Outline border;
  std::vector<Outline> holes;
};

/// Answers point tests of one polygon in the time of the few edges at that height.
/// Checked  tests/data/test_grid.cpp, against OpenCV's pointPolygonTest.
class OutlineIndex {
 public:
  /// Errors   Shape if the polygon has no vertices, or a coordinate's size is 2^29 or more.
  explicit OutlineIndex(const Outline& outline);

  /// 1 inside (even-odd rule), 0 on the border, -1 outside. The point is given in half pixels, so that centres of odd squares are exact.
  int side(Point half_pixels) const;
  Point top_left() const { return top_left_; }
  Point bottom_right() const { return bottom_right_; }  // of the vertices, inclusive

 private:
  struct Edge {
    Point a, b;  // half pixels
  };
  size_t band(int64_t y) const { return static_cast<size_t>((y - 2 * top_left_.y) / band_height_); }

  Point top_left_, bottom_right_;
  int64_t band_height_ = 1;
  std::vector<std::vector<Edge>> bands_;  // of equal height, each with the edges that touch it
};

}  // namespace eosin::data
