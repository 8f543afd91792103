#include "eval/heatmap.h"

#include "core/base/error.h"
#include "eval/localization.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <limits>

namespace eosin::eval {
namespace {

using Pixel = std::array<int, 3>;
Pixel pixel(const data::Image& image, int64_t x, int64_t y) {
  const uint8_t* p = image.row(y) + 3 * x;
  return {p[0], p[1], p[2]};
}

// Three tiles of 10 pixels in a row, in a slide of 50 x 20.
ScoredTiles three() { return {{{0, 0}, {10, 0}, {20, 0}}, 10, {-3, 7, 1}}; }
constexpr data::Size kSlide{50, 20};
constexpr Pixel kWhite = {255, 255, 255};

template <class F>
ErrorKind kind_of_error(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.kind();
  }
  return ErrorKind::Internal;
}

TEST(Heatmap, PercentilesAreMidranksOverTheNumberOfTiles) {
  // scipy: rankdata([5, 1, 5, 2], "average") / 4
  EXPECT_EQ(score_percentiles({5, 1, 5, 2}), (std::vector<double>{0.875, 0.25, 0.875, 0.5}));
  EXPECT_EQ(score_percentiles({-4}), std::vector<double>{1});
  EXPECT_EQ(kind_of_error([] { score_percentiles({}); }), ErrorKind::Data);
  EXPECT_EQ(kind_of_error([] { score_percentiles({1, std::numeric_limits<double>::quiet_NaN()}); }), ErrorKind::Data);
}

TEST(Heatmap, PaintsEachTileWhereItLies) {
  const data::Image map = paint_heatmap(three(), kSlide, nullptr, {});
  ASSERT_GT(map.height, kSlide.height);  // the footer
  EXPECT_EQ(pixel(map, 40, 5), kWhite);
  EXPECT_EQ(pixel(map, 5, 15), kWhite);
  EXPECT_EQ(pixel(map, 0, 0), pixel(map, 9, 9));
  EXPECT_NE(pixel(map, 9, 0), pixel(map, 10, 0));
  // cividis: its last colour for the highest of three, a third and two thirds for the others
  EXPECT_EQ(pixel(map, 15, 5), (Pixel{254, 232, 56}));
  EXPECT_GT(pixel(map, 25, 5)[0], pixel(map, 5, 5)[0]);
}

TEST(Heatmap, OverlappingTilesShowTheMean) {
  const ScoredTiles overlapping{{{0, 0}, {5, 0}}, 10, {1, 2}};
  const data::Image map = paint_heatmap(overlapping, kSlide, nullptr, {});
  const ScoredTiles plain{{{0, 0}, {10, 0}, {20, 0}, {30, 0}}, 10, {1, 2, 3, 4}};
  EXPECT_EQ(pixel(map, 7, 5), pixel(paint_heatmap(plain, kSlide, nullptr, {}), 25, 5));  // (0.5 + 1) / 2 is the third of four
}

TEST(Heatmap, ShowsTheGroundThroughTheColours) {
  data::Image ground(20, 50);
  std::fill(ground.rgb.begin(), ground.rgb.end(), uint8_t{100});
  HeatmapStyle style;
  style.alpha = 0.4;
  const data::Image map = paint_heatmap(three(), kSlide, &ground, style);
  EXPECT_EQ(pixel(map, 40, 5), (Pixel{100, 100, 100}));
  EXPECT_EQ(pixel(map, 15, 5), (Pixel{162, 153, 82}));  // 0.4 of cividis' last colour and 0.6 of 100
}

TEST(Heatmap, FitsItsSizeAndKeepsTheSlidesForm) {
  HeatmapStyle style;
  style.longest_px = 1000, style.mpp = 0.25, style.legend = "attention";
  const data::Image map = paint_heatmap({{{0, 0}}, 512, {1}}, {40000, 20000}, nullptr, style);
  EXPECT_EQ(map.width, 1000);
  EXPECT_GT(map.height, 500);
  EXPECT_LT(map.height, 600);
  EXPECT_NE(pixel(map, 11, 11), kWhite);
  EXPECT_EQ(pixel(map, 13, 13), kWhite);
  bool scale_bar = false;
  for (int64_t y = 500; y < map.height; ++y) scale_bar = scale_bar || pixel(map, 980, y) == Pixel{0, 0, 0};
  EXPECT_TRUE(scale_bar);
}

TEST(Heatmap, RefusesWhatHasNoSize) {
  EXPECT_EQ(kind_of_error([] { paint_heatmap({{{0, 0}}, 10, {1, 2}}, kSlide, nullptr, {}); }), ErrorKind::Shape);
  EXPECT_EQ(kind_of_error([] { paint_heatmap({{{0, 0}}, 0, {1}}, kSlide, nullptr, {}); }), ErrorKind::Shape);
  EXPECT_EQ(kind_of_error([] { paint_heatmap({{{0, 0}}, 10, {1}}, {0, 5}, nullptr, {}); }), ErrorKind::Shape);
}

TEST(Heatmap, FindsTheGridOfTilesThatDoNotSayTheirSize) {
  EXPECT_EQ(grid_step({{512, 0}, {0, 256}, {768, 256}}), 256);
  EXPECT_EQ(grid_step({{3, 3}}), 0);
}

TEST(Heatmap, GeoJsonHasASquareAndItsMeasurementsForEveryTile) {
  const auto json = nlohmann::json::parse(tiles_geojson(three(), {{"percentile", {0.3, 1, 0.6}}, {"score a\"b", {-3, 7, 1}}}));
  EXPECT_EQ(json["type"], "FeatureCollection");
  ASSERT_EQ(json["features"].size(), 3U);
  const auto& second = json["features"][1];
  EXPECT_EQ(second["geometry"]["type"], "Polygon");
  EXPECT_EQ(second["geometry"]["coordinates"], nlohmann::json::parse("[[[10,0],[20,0],[20,10],[10,10],[10,0]]]"));
  EXPECT_EQ(second["properties"]["objectType"], "tile");
  EXPECT_EQ(second["properties"]["measurements"]["score a\"b"], 7);
  EXPECT_EQ(kind_of_error([] { tiles_geojson(three(), {{"percentile", {1}}}); }), ErrorKind::Shape);
}

TEST(Localization, CountsCutCellsByTheirPart) {
  data::Mask mask(2, 5);  // cells of 10 x 10 level-0 pixels
  mask.row(0)[1] = 1;
  const ScoredTiles tiles{{{10, 0}, {5, 0}, {15, 5}, {30, 0}, {45, 0}}, 10, {1, 1, 1, 1, 1}};
  const auto share = covered_shares(tiles, mask, kSlide);
  const std::vector<double> expected = {1, 0.5, 0.25, 0, 0};  // the last lies half outside the slide
  for (size_t i = 0; i < share.size(); ++i) EXPECT_NEAR(share[i], expected[i], 1e-12) << i;
  EXPECT_EQ(kind_of_error([&] { covered_shares(tiles, data::Mask(), kSlide); }), ErrorKind::Shape);
}

TEST(Localization, IsTheAveragePrecisionOfTilesInTheRegion) {
  data::Mask mask(2, 5);
  mask.row(0)[1] = mask.row(0)[2] = 1;
  const auto found = localize(three(), mask, kSlide);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->inside, 2);
  EXPECT_EQ(found->average_precision, 1);
  EXPECT_EQ(found->auroc, 1);
  EXPECT_NEAR(found->chance, 2.0 / 3, 1e-12);
  ScoredTiles wrong = three();
  wrong.score = {9, 7, 1};
  EXPECT_NEAR(localize(wrong, mask, kSlide)->average_precision, (1.0 / 2 + 2.0 / 3) / 2, 1e-12);
  EXPECT_FALSE(localize(three(), data::Mask(2, 5), kSlide));
}

}  // namespace
}  // namespace eosin::eval
