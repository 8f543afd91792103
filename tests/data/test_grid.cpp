#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/clam_grid.h"
#include "data/grid.h"
#include "data/shard.h"
#include "data/tile_filter.h"
#include "data/tile_grids.h"
#include "tests/data/slide_fixture.h"

#include <gtest/gtest.h>
#include <opencv2/imgproc.hpp>

#include <cmath>
#include <numeric>
#include <set>

namespace eosin::data {
namespace {

Mask random_mask(uint64_t seed, int64_t height, int64_t width) {
  RandomStream random(seed, 0, 0, RandomOp::kSynthetic);
  Mask mask(height, width);
  for (auto& c : mask.cells) c = random.below(4) == 0;
  return mask;
}

TEST(Grid, TilesHoldAllTissueOnce) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Mask mask = random_mask(seed, 31, 47);
    const Size slide{4093, 2999};
    const Grid grid = make_grid(slide, mask, {0.25, 0.5, 97, 0, 0, true});
    double area = 0;
    for (const GridTile& t : grid.tiles) area += t.fraction * static_cast<double>(grid.tile_level0 * grid.tile_level0);
    const double cell = 4093.0 / 47 * 2999.0 / 31;
    EXPECT_NEAR(area, cell * static_cast<double>(std::accumulate(mask.cells.begin(), mask.cells.end(), 0)), 1e-3);
  }
}

TEST(Grid, KeepsByTissueInRowOrder) {
  const Mask mask = random_mask(7, 53, 59);
  const Grid all = make_grid({5000, 4001}, mask, {0.5, 0.5, 211, 13, 0, false});
  const Grid some = make_grid({5000, 4001}, mask, {0.5, 0.5, 211, 13, 0.25, false});
  EXPECT_EQ(all.step_level0, 198);
  EXPECT_LT(some.tiles.size(), all.tiles.size());
  size_t kept = 0;
  for (const GridTile& t : all.tiles) kept += t.fraction + 1e-9 >= 0.25;
  EXPECT_EQ(some.tiles.size(), kept);
  for (size_t i = 1; i < some.tiles.size(); ++i)
    EXPECT_LT(std::pair(some.tiles[i - 1].y, some.tiles[i - 1].x), std::pair(some.tiles[i].y, some.tiles[i].x));
  for (const GridTile& t : all.tiles) EXPECT_TRUE(t.x + 211 <= 5000 && t.y + 211 <= 4001);
}

TEST(Grid, FullMaskGivesWholeTilesAndEmptyMaskNone) {
  Mask full(3, 7);
  std::fill(full.cells.begin(), full.cells.end(), uint8_t{1});
  const Grid grid = make_grid({1000, 700}, full, {0.5, 0.5, 100, 0, 1, false});
  EXPECT_EQ(grid.tiles.size(), 70u);
  for (const GridTile& t : grid.tiles) EXPECT_NEAR(t.fraction, 1, 1e-12);
  EXPECT_TRUE(make_grid({1000, 700}, Mask(3, 7), {0.5, 0.5, 100, 0, 0, false}).tiles.empty());
  EXPECT_EQ(make_grid({90, 90}, full, {0.5, 0.5, 100, 0, 0, false}).candidates, 0);
}

TEST(Grid, RefusesWhatMakesNoGrid) {
  const double nan = std::nan("");
  Mask mask(3, 7);
  const auto kind_of = [&](Size slide, const GridSpec& spec) {
    try {
      make_grid(slide, mask, spec);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::Internal;
  };
  const Size slide{1000, 700};
  for (const GridSpec& spec : {GridSpec{0.5, 0.5, 100, 100},
                               {0.5, 0.5, 100, 101},
                               {0.5, 0.5, 100, -1},
                               {0, 0.5, 100},
                               {-1, 0.5, 100},
                               {nan, 0.5, 100},
                               {0.5, 0, 100},
                               {0.5, -0.5, 100},
                               {0.5, nan, 100},
                               {0.5, 0.5, 0},
                               {0.5, 0.5, -7}})
    EXPECT_EQ(kind_of(slide, spec), ErrorKind::Config) << spec.mpp << " " << spec.target_mpp << " " << spec.tile_size << " " << spec.overlap;
  for (const Size none : {Size{0, 700}, Size{1000, 0}, Size{-5, 700}}) EXPECT_EQ(kind_of(none, {0.5, 0.5, 100}), ErrorKind::Shape);
  EXPECT_EQ(kind_of(slide, {0.5, 1e12, 100}), ErrorKind::Shape);
}

TEST(OutlineIndex, AgreesWithOpenCV) {
  RandomStream random(3, 0, 0, RandomOp::kSynthetic);
  for (const int vertices : {1, 2, 3, 7, 40, 300}) {
    Outline outline;
    std::vector<cv::Point2f> same;
    for (int i = 0; i < vertices; ++i) {
      outline.push_back({random.below(61), random.below(53)});
      same.emplace_back(static_cast<float>(outline.back().x), static_cast<float>(outline.back().y));
    }
    const OutlineIndex index(outline);
    for (int64_t y = -3; y < 110; ++y)
      for (int64_t x = -3; x < 126; ++x) {
        const double want = cv::pointPolygonTest(same, {static_cast<float>(x) / 2, static_cast<float>(y) / 2}, false);
        ASSERT_EQ(index.side({x, y}), static_cast<int>(want)) << vertices << " vertices, " << x << ", " << y;
      }
  }
  EXPECT_THROW(OutlineIndex(Outline{}), Error);
  EXPECT_THROW(OutlineIndex(Outline{{0, int64_t{1} << 40}}), Error);
}

TEST(ClamGrid, TestsPaddingAndHoles) {
  // A square region of 10 x 10 mask pixels with a hole of 4 x 4 in its middle.
  const std::vector<TissueRegion> regions = {{{{0, 0}, {9, 0}, {9, 9}, {0, 9}}, {{{3, 3}, {6, 3}, {6, 6}, {3, 6}}}}};
  const auto tiles = [&](const std::string& test, bool padding, Size slide = {1000, 1000}) {
    return clam_coords(slide, regions, 10, 10, {20, 20, 1, 1, test, padding}).size();
  };
  EXPECT_EQ(tiles("basic", true), 25u - 1u);   // the box has 5 x 5 candidates; the centre of one lies inside the hole
  EXPECT_EQ(tiles("center", true), 25u - 1u);  // those of the last row and column lie on the border
  EXPECT_EQ(tiles("four_pt", true), 25u - 1u);
  EXPECT_EQ(tiles("four_pt_hard", true), 16u - 1u);
  EXPECT_EQ(tiles("basic", false, {90, 90}), 16u - 1u);
  EXPECT_EQ(clam_coords({1000, 1000}, regions, 10, 10, {5, 5, 4.9, 4.9, "basic", true}).size(), 24u);  // 4.9 counts as 4
}

TEST(ClamGrid, RefusesWhatMakesNoGrid) {
  const auto kind_of = [](Size slide, double downsample, const ClamGridSpec& spec) {
    try {
      clam_coords(slide, {}, downsample, 10, spec);
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::Internal;
  };
  EXPECT_EQ(kind_of({100, 100}, 10, {0, 20}), ErrorKind::Config);
  EXPECT_EQ(kind_of({100, 100}, 10, {20, -1}), ErrorKind::Config);
  EXPECT_EQ(kind_of({100, 100}, 10, {20, 20, 0.5, 1}), ErrorKind::Config);
  EXPECT_EQ(kind_of({100, 100}, 10, {20, 20, 1, std::nan("")}), ErrorKind::Config);
  EXPECT_EQ(kind_of({100, 100}, 0, {20, 20}), ErrorKind::Config);
  EXPECT_EQ(kind_of({100, 100}, 10, {20, 20, 1, 1, "five_pt"}), ErrorKind::Config);
  EXPECT_EQ(kind_of({0, 100}, 10, {20, 20}), ErrorKind::Shape);
}

TEST(TileGrids, ClamsGridFollowsTheRegionsOfAnyMask) {
  Tissue tissue;
  tissue.mask = Mask(50, 50);
  for (int64_t v = 7; v < 20; ++v) std::fill_n(tissue.mask.row(v) + 11, 30, uint8_t{1});
  config::Choice clam{tile_grid_rows(), "clam"};
  const Grid grid = lay_grid(clam, {{1000, 1000}, tissue, {0.5, 0.5, 100}});
  ASSERT_FALSE(grid.tiles.empty());
  EXPECT_EQ(grid.tiles[0].x, 220);
  EXPECT_EQ(grid.tiles[0].y, 140);
  EXPECT_EQ(grid.tiles[0].fraction, 1);
  std::set<std::pair<int64_t, int64_t>> places;
  for (const GridTile& t : grid.tiles) EXPECT_TRUE(places.emplace(t.x, t.y).second);
  EXPECT_GE(grid.candidates, static_cast<int64_t>(grid.tiles.size()));
}

TEST(ReadPlan, RefusesWhatIsNoScale) {
  const std::vector<double> downsamples = {1, 4}, bad = {1, 0};
  EXPECT_THROW(read_plan(downsamples, 0, 0.5, 256), Error);
  EXPECT_THROW(read_plan(downsamples, 0.5, 0, 256), Error);
  EXPECT_THROW(read_plan(downsamples, 0.5, std::nan(""), 256), Error);
  EXPECT_THROW(read_plan(downsamples, 0.5, 0.5, 0), Error);
  EXPECT_THROW(read_plan(bad, 0.5, 0.5, 256), Error);
}

TEST(ReadPlan, TakesTheCoarsestLevelThatSuffices) {
  const std::vector<double> downsamples = {1, 2.0001, 4.003, 16.1};
  EXPECT_EQ(read_plan(downsamples, 0.25, 0.5, 256).level, 1);
  EXPECT_EQ(read_plan(downsamples, 0.25, 0.25, 256).level, 0);
  EXPECT_EQ(read_plan(downsamples, 0.25, 3.9, 256).level, 2);
  EXPECT_EQ(read_plan(downsamples, 0.25, 0.1, 256).level, 0);
  EXPECT_EQ(read_plan(downsamples, 0.25, 0.5, 256).read_size, 256);
}

TEST(TileFilter, EachCauseHasItsName) {
  TileFilterConfig off;
  EXPECT_FALSE(looks_at_pixels(off));
  TileFilterConfig config;
  config.hsv = true;
  config.white_saturation = 15;
  config.black_rgb = 50;
  const auto reason = [&](const Image& tile) { return test_tile(tile, config).dropped; };
  EXPECT_EQ(reason(plain(17, 19, 250)), "white");
  EXPECT_EQ(reason(plain(17, 19, 30)), "black");
  Image green = plain(17, 19, 60);
  for (size_t i = 1; i < green.rgb.size(); i += 3) green.rgb[i] = 200;
  EXPECT_EQ(reason(green), "hsv");
  Image pink = plain(17, 19, 200);
  for (size_t i = 1; i < pink.rgb.size(); i += 3) pink.rgb[i] = 120;
  EXPECT_FALSE(reason(pink));
  EXPECT_FALSE(test_tile(green, off).dropped);
}

TEST(TileFilter, LaplacianVarianceTellsSharpFromFlat) {
  EXPECT_EQ(laplacian_variance(plain(13, 11, 90)), 0);
  EXPECT_EQ(laplacian_variance(plain(2, 11, 90)), 0);
  Image board = plain(13, 11, 100);
  for (int64_t y = 0; y < 13; ++y)
    for (int64_t x = y % 2; x < 11; x += 2) std::fill_n(board.row(y) + 3 * x, 3, uint8_t{110});
  EXPECT_NEAR(laplacian_variance(board), 1600, 20);  // +-40 at every pixel
}

TEST(TileFilter, BlurAndPensAreMarksNotLosses) {
  TileFilterConfig config;
  config.blur_threshold = 10;
  config.pen_fraction = 0.05;
  Image tile = plain(20, 20, 200);  // pink, without an edge
  for (size_t i = 1; i < tile.rgb.size(); i += 3) tile.rgb[i] = 120;
  EXPECT_EQ(test_tile(tile, config).marks, kQcBlurred);
  const auto draw = [&tile](uint8_t r, uint8_t g, uint8_t b) {
    for (int64_t x = 0; x < 20; ++x) tile.row(3)[3 * x] = r, tile.row(3)[3 * x + 1] = g, tile.row(3)[3 * x + 2] = b;
  };
  config.blur_threshold = 0;
  for (const auto& [r, g, b, is_pen] : {std::tuple{20, 60, 180, true}, {30, 150, 60, true}, {200, 20, 30, true}, {90, 60, 140, false}}) {
    draw(static_cast<uint8_t>(r), static_cast<uint8_t>(g), static_cast<uint8_t>(b));
    const TestedTile tested = test_tile(tile, config);
    EXPECT_EQ(tested.marks, is_pen ? kQcPen : 0) << r << " " << g << " " << b;
    EXPECT_FALSE(tested.dropped);
  }
}

}  // namespace
}  // namespace eosin::data
