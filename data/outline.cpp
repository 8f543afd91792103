#include "data/outline.h"

#include "core/base/error.h"

#include <algorithm>
#include <cstdlib>

namespace eosin::data {
namespace {

constexpr int64_t kLargest = int64_t{1} << 29;  // products of doubled differences stay within 64 bits
constexpr int64_t kVerticesABand = 8;

}  // namespace

OutlineIndex::OutlineIndex(const Outline& outline) {
  EOSIN_CHECK(!outline.empty(), Shape, "[outline] a polygon without vertices");
  top_left_ = bottom_right_ = outline.front();
  for (const Point& p : outline) {
    EOSIN_CHECK(std::abs(p.x) < kLargest && std::abs(p.y) < kLargest, Shape, "[outline] a vertex at ({}, {}) lies beyond any slide", p.x, p.y);
    top_left_ = {std::min(top_left_.x, p.x), std::min(top_left_.y, p.y)};
    bottom_right_ = {std::max(bottom_right_.x, p.x), std::max(bottom_right_.y, p.y)};
  }
  const int64_t rows = 2 * (bottom_right_.y - top_left_.y) + 1, wanted = 1 + static_cast<int64_t>(outline.size()) / kVerticesABand;
  band_height_ = (rows + wanted - 1) / wanted;
  bands_.resize(band(2 * bottom_right_.y) + 1);
  for (size_t i = 0; i < outline.size(); ++i) {
    const Point p = outline[i], q = outline[(i + 1) % outline.size()];
    const Edge edge{{2 * p.x, 2 * p.y}, {2 * q.x, 2 * q.y}};
    for (size_t b = band(std::min(edge.a.y, edge.b.y)); b <= band(std::max(edge.a.y, edge.b.y)); ++b) bands_[b].push_back(edge);
  }
}

int OutlineIndex::side(Point p) const {
  const bool beyond = p.x < 2 * top_left_.x || p.x > 2 * bottom_right_.x || p.y < 2 * top_left_.y || p.y > 2 * bottom_right_.y;
  if (beyond) return -1;
  bool inside = false;
  for (const auto& [a, b] : bands_[band(p.y)]) {
    const int64_t cross = (b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x);
    const auto [left, right] = std::minmax(a.x, b.x);
    const auto [upper, lower] = std::minmax(a.y, b.y);
    if (cross == 0 && left <= p.x && p.x <= right && upper <= p.y && p.y <= lower) return 0;
    // The ray to the right crosses the edges that begin above the point's height or at it and end below.
    if (a.y <= p.y && b.y > p.y) inside ^= cross < 0;
    if (b.y <= p.y && a.y > p.y) inside ^= cross > 0;
  }
  return inside ? 1 : -1;
}

}  // namespace eosin::data
