#include "data/clam_grid.h"

#include "core/base/error.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace eosin::data {
namespace {

/// A length of the patch level in level-0 pixels.
int64_t level0(int64_t pixels, double downsample) { return pixels * static_cast<int64_t>(downsample); }

Outline scaled(const Outline& outline, double downsample_x, double downsample_y) {
  Outline result;
  for (const Point& p : outline)
    result.push_back({static_cast<int64_t>(static_cast<double>(p.x) * downsample_x), static_cast<int64_t>(static_cast<double>(p.y) * downsample_y)});
  return result;
}

Point doubled(Point p) { return {2 * p.x, 2 * p.y}; }

/// CLAM's isInContourV1, V2, V3_Easy and V3_Hard.
class ContourTest {
 public:
  ContourTest(const std::string& name, int64_t patch) : basic_(name == "basic"), all_(name == "four_pt_hard"), half_(patch / 2) {
    shift_ = name == "center" ? 0 : half_ / 2;
  }

  bool passes(const OutlineIndex& border, Point tile) const {
    const auto touches = [&](Point p) { return border.side(doubled(p)) >= 0; };
    if (basic_) return touches(tile);
    const Point c{tile.x + half_, tile.y + half_};
    const std::array<Point, 4> around = {
        {{c.x - shift_, c.y - shift_}, {c.x + shift_, c.y + shift_}, {c.x + shift_, c.y - shift_}, {c.x - shift_, c.y + shift_}}};
    return all_ ? std::all_of(around.begin(), around.end(), touches) : std::any_of(around.begin(), around.end(), touches);
  }

 private:
  bool basic_, all_;
  int64_t half_, shift_;
};

void check(Size slide, const ClamGridSpec& spec) {
  EOSIN_CHECK(slide.width > 0 && slide.height > 0, Shape, "[clam grid] the slide has no pixels (got {} x {})", slide.width, slide.height);
  EOSIN_CHECK(spec.patch_size > 0 && spec.step_size > 0, Config, "[clam grid] patch_size and step_size must be positive (got {} and {})",
              spec.patch_size, spec.step_size);
  EOSIN_CHECK(std::find(kContourTests.begin(), kContourTests.end(), spec.contour_fn) != kContourTests.end(), Config,
              "[clam grid] unknown contour_fn '{}' (need {})", spec.contour_fn, fmt::join(kContourTests, ", "));
}

void check_downsample(double x, double y, double least) {
  constexpr double kLargest = 1e6;
  const auto fits = [&](double d) { return std::isfinite(d) && d >= least && d > 0 && d < kLargest; };
  EOSIN_CHECK(fits(x) && fits(y), Config, "[clam grid] a downsample is out of range (got {} x {}, need {} to {})", x, y, least, kLargest);
}

}  // namespace

std::vector<Point> clam_coords(Size slide, std::span<const TissueRegion> regions, double downsample_x, double downsample_y,
                               const ClamGridSpec& spec) {
  check(slide, spec);
  check_downsample(downsample_x, downsample_y, 0);
  check_downsample(spec.patch_level_downsample_x, spec.patch_level_downsample_y, 1);
  const int64_t width = level0(spec.patch_size, spec.patch_level_downsample_x), height = level0(spec.patch_size, spec.patch_level_downsample_y);
  const int64_t step_x = level0(spec.step_size, spec.patch_level_downsample_x), step_y = level0(spec.step_size, spec.patch_level_downsample_y);
  const ContourTest test(spec.contour_fn, width);
  std::vector<Point> tiles;
  for (const TissueRegion& region : regions) {
    const OutlineIndex border(scaled(region.border, downsample_x, downsample_y));
    std::vector<OutlineIndex> holes;
    for (const Outline& hole : region.holes) holes.emplace_back(scaled(hole, downsample_x, downsample_y));
    const auto in_a_hole = [&](Point tile) {
      const Point centre{2 * tile.x + width, 2 * tile.y + width};  // CLAM takes the width for both
      return std::any_of(holes.begin(), holes.end(), [&](const OutlineIndex& hole) { return hole.side(centre) > 0; });
    };
    Point stop{border.bottom_right().x + 1, border.bottom_right().y + 1};
    if (!spec.use_padding) stop = {std::min(stop.x, slide.width - width + 1), std::min(stop.y, slide.height - height + 1)};
    for (int64_t y = border.top_left().y; y < stop.y; y += step_y)
      for (int64_t x = border.top_left().x; x < stop.x; x += step_x)
        if (test.passes(border, {x, y}) && !in_a_hole({x, y})) tiles.push_back({x, y});
  }
  std::sort(tiles.begin(), tiles.end(), [](const Point& a, const Point& b) { return std::pair(a.y, a.x) < std::pair(b.y, b.x); });
  return tiles;
}

std::vector<Point> clam_coords(Size slide, const Image& picture, const ClamConfig& config, double downsample_x, double downsample_y,
                               const ClamGridSpec& spec) {
  return clam_coords(slide, clam_tissue(picture, config, downsample_x, downsample_y).regions, downsample_x, downsample_y, spec);
}

std::vector<Point> clam_coords(const SlideReader& slide, const ClamConfig& config, int64_t patch_level, ClamGridSpec spec) {
  const SlideInfo& info = slide.info();
  EOSIN_CHECK(patch_level >= 0 && patch_level < static_cast<int64_t>(info.dimensions.size()), Config,
              "[clam grid] slide '{}' has no level {} (need 0 to {})", info.path, patch_level, info.dimensions.size() - 1);
  const Size level = info.dimensions[static_cast<size_t>(patch_level)], full = info.size();
  spec.patch_level_downsample_x = static_cast<double>(full.width) / static_cast<double>(level.width);
  spec.patch_level_downsample_y = static_cast<double>(full.height) / static_cast<double>(level.height);
  const Tissue tissue = segment_clam(config, {slide, info.path, 0});
  const Mask& mask = tissue.mask;
  return clam_coords(full, tissue.regions, static_cast<double>(full.width) / static_cast<double>(mask.width),
                     static_cast<double>(full.height) / static_cast<double>(mask.height), spec);
}

int64_t clam_tile_level0(const SlideReader& slide, int64_t patch_level, int64_t patch_size) {
  const Size level = slide.info().dimensions.at(static_cast<size_t>(patch_level)), full = slide.info().size();
  return level0(patch_size, static_cast<double>(full.width) / static_cast<double>(level.width));
}

Mask covered_cells(Size slide, std::span<const Point> tiles, int64_t tile_level0, int64_t cell) {
  Mask mask((slide.height + tile_level0) / cell + 1, (slide.width + tile_level0) / cell + 1);
  // Cell c has its centre at (c + 1/2) cell: in the tile if 2 begin <= (2c + 1) cell < 2 end.
  const auto first = [&](int64_t begin) { return std::max<int64_t>(0, (2 * begin + cell - 1) / (2 * cell)); };
  for (const Point& t : tiles)
    for (int64_t v = first(t.y); v < std::min(first(t.y + tile_level0), mask.height); ++v)
      for (int64_t u = first(t.x); u < std::min(first(t.x + tile_level0), mask.width); ++u) mask.row(v)[u] = 1;
  return mask;
}

}  // namespace eosin::data
