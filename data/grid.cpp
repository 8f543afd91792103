#include "data/grid.h"

#include "core/base/error.h"

#include <algorithm>
#include <cmath>

namespace eosin::data {
namespace {

constexpr double kLargestEdge = 2147483648.0;

int64_t round_half_up(double v) { return static_cast<int64_t>(std::floor(v + 0.5)); }

/// Cells of one axis that a stretch [begin, end) touches, each with the length it shares with the stretch.
struct Overlap {
  int64_t first = 0;
  std::vector<double> lengths;
};

Overlap overlap(int64_t begin, int64_t end, int64_t pixels, int64_t cells) {
  // (u * pixels) / cells is exact wherever a cell's edge is a whole pixel, so that touching is not overlapping.
  const auto edge = [&](int64_t u) { return static_cast<double>(u * pixels) / static_cast<double>(cells); };
  Overlap o;
  o.first = std::max<int64_t>(0, begin * cells / pixels - 1);
  while (o.first < cells && edge(o.first + 1) <= static_cast<double>(begin)) ++o.first;
  for (int64_t u = o.first; u < cells && edge(u) < static_cast<double>(end); ++u)
    o.lengths.push_back(std::min(edge(u + 1), static_cast<double>(end)) - std::max(edge(u), static_cast<double>(begin)));
  return o;
}

double covered_area(const Mask& mask, const Overlap& across, const Overlap& down) {
  double area = 0;
  for (size_t v = 0; v < down.lengths.size(); ++v) {
    const uint8_t* row = mask.row(down.first + static_cast<int64_t>(v)) + across.first;
    double length = 0;
    for (size_t u = 0; u < across.lengths.size(); ++u)
      if (row[u]) length += across.lengths[u];
    area += length * down.lengths[v];
  }
  return area;
}

void check_scales(const char* where, double mpp, double target_mpp, int64_t tile_size) {
  const auto is_length = [](double v) { return std::isfinite(v) && v > 0; };
  EOSIN_CHECK(is_length(mpp), Config, "[{}] mpp is no scale (got {}, need micrometres a pixel above 0)", where, mpp);
  EOSIN_CHECK(is_length(target_mpp), Config, "[{}] target_mpp is no scale (got {}, need micrometres a pixel above 0)", where, target_mpp);
  EOSIN_CHECK(tile_size > 0, Config, "[{}] tile_size must be positive (got {})", where, tile_size);
  const double edge = static_cast<double>(tile_size) * (target_mpp / mpp);
  EOSIN_CHECK(edge >= 0.5, Shape, "[{}] a tile would have no level-0 pixels (got {} px at {} of {} mpp)", where, tile_size, target_mpp, mpp);
  EOSIN_CHECK(edge < kLargestEdge, Shape, "[{}] a tile would have more level-0 pixels than any slide (got {} px at {} of {} mpp)", where, tile_size,
              target_mpp, mpp);
}

std::vector<int64_t> origins(int64_t pixels, const Grid& grid, bool partial) {
  std::vector<int64_t> found;
  for (int64_t at = 0; partial ? at < pixels : at + grid.tile_level0 <= pixels; at += grid.step_level0) found.push_back(at);
  return found;
}

struct Axes {
  std::vector<int64_t> xs, ys;
};

Axes axes_of(Size slide, const Grid& grid, bool partial) { return {origins(slide.width, grid, partial), origins(slide.height, grid, partial)}; }

}  // namespace

Grid empty_grid(Size slide, const Mask& mask, const GridSpec& spec) {
  EOSIN_CHECK(mask.height > 0 && mask.width > 0, Shape, "[grid] the tissue mask has no cells");
  EOSIN_CHECK(slide.width > 0 && slide.height > 0, Shape, "[grid] the slide has no pixels (got {} x {})", slide.width, slide.height);
  check_scales("grid", spec.mpp, spec.target_mpp, spec.tile_size);
  EOSIN_CHECK(spec.overlap >= 0 && spec.overlap < spec.tile_size, Config,
              "[grid] tiles would never advance, or leave gaps (got overlap {}, need 0 to {})", spec.overlap, spec.tile_size - 1);
  const double s = spec.target_mpp / spec.mpp;
  Grid grid;
  grid.tile_level0 = round_half_up(static_cast<double>(spec.tile_size) * s);
  grid.step_level0 = std::max<int64_t>(1, round_half_up(static_cast<double>(spec.tile_size - spec.overlap) * s));
  const Axes axes = axes_of(slide, grid, spec.partial);
  grid.candidates = static_cast<int64_t>(axes.xs.size() * axes.ys.size());
  return grid;
}

Grid make_grid(Size slide, const Mask& mask, const GridSpec& spec) {
  Grid grid = empty_grid(slide, mask, spec);
  const auto [xs, ys] = axes_of(slide, grid, spec.partial);
  std::vector<Overlap> across;
  for (int64_t x : xs) across.push_back(overlap(x, x + grid.tile_level0, slide.width, mask.width));
  const double area = static_cast<double>(grid.tile_level0) * static_cast<double>(grid.tile_level0);
  for (int64_t y : ys) {
    const Overlap down = overlap(y, y + grid.tile_level0, slide.height, mask.height);
    for (size_t i = 0; i < xs.size(); ++i) {
      const double fraction = covered_area(mask, across[i], down) / area;
      if (fraction > 0 && fraction + 1e-9 >= spec.min_tissue) grid.tiles.push_back({xs[i], y, fraction});
    }
  }
  return grid;
}

double tissue_fraction(Size slide, const Mask& mask, Point tile, int64_t tile_level0) {
  const double edge = static_cast<double>(tile_level0);
  return covered_area(mask, overlap(tile.x, tile.x + tile_level0, slide.width, mask.width),
                      overlap(tile.y, tile.y + tile_level0, slide.height, mask.height)) /
         (edge * edge);
}

ReadPlan read_plan(std::span<const double> downsamples, double mpp, double target_mpp, int64_t tile_size) {
  EOSIN_CHECK(!downsamples.empty(), Shape, "[read_plan] a slide without levels");
  check_scales("read_plan", mpp, target_mpp, tile_size);
  for (const double d : downsamples) EOSIN_CHECK(std::isfinite(d) && d > 0, Config, "[read_plan] a level's downsample must be positive (got {})", d);
  const double s = target_mpp / mpp;
  ReadPlan plan;
  for (size_t l = 0; l < downsamples.size(); ++l)
    if (downsamples[l] <= 1.01 * s) plan.level = static_cast<int>(l);
  plan.tile_level0 = round_half_up(static_cast<double>(tile_size) * s);
  plan.read_size = std::max<int64_t>(1, round_half_up(static_cast<double>(plan.tile_level0) / downsamples[static_cast<size_t>(plan.level)]));
  return plan;
}

}  // namespace eosin::data
