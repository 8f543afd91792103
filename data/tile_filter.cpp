#include "data/tile_filter.h"

#include "data/hsv.h"
#include "data/shard.h"

#include <algorithm>

namespace eosin::data {
namespace {

bool between(uint8_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

double luminance(const uint8_t* p) { return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]; }

}  // namespace

TileVerdict judge_tile(const ImageView& tile, const TileFilterConfig& config) {
  int64_t inside = 0, saturation = 0, channel[3] = {0, 0, 0};
  for (int64_t y = 0; y < tile.height; ++y) {
    for (int64_t x = 0; x < tile.width; ++x) {
      const uint8_t* p = tile.row(y) + 3 * x;
      const Hsv hsv = rgb_to_hsv(p);
      inside += between(hsv.h, config.hsv_low[0], config.hsv_high[0]) && between(hsv.s, config.hsv_low[1], config.hsv_high[1]) &&
                between(hsv.v, config.hsv_low[2], config.hsv_high[2]);
      saturation += hsv.s;
      for (int c = 0; c < 3; ++c) channel[c] += p[c];
    }
  }
  const auto n = static_cast<double>(tile.height * tile.width);
  TileVerdict verdict;
  verdict.fraction = static_cast<double>(inside) / n;
  verdict.hsv_keep = verdict.fraction > config.min_fraction;
  verdict.white = static_cast<double>(saturation) / n < config.white_saturation;
  verdict.black = true;
  for (int64_t sum : channel) verdict.black = verdict.black && static_cast<double>(sum) / n < config.black_rgb;
  return verdict;
}

double laplacian_variance(const ImageView& tile) {
  if (tile.height < 3 || tile.width < 3) return 0;
  double sum = 0, squares = 0;
  for (int64_t y = 1; y + 1 < tile.height; ++y) {
    for (int64_t x = 1; x + 1 < tile.width; ++x) {
      const uint8_t* p = tile.row(y) + 3 * x;
      const double l = luminance(p - 3) + luminance(p + 3) + luminance(p - tile.stride) + luminance(p + tile.stride) - 4 * luminance(p);
      sum += l;
      squares += l * l;
    }
  }
  const auto n = static_cast<double>((tile.height - 2) * (tile.width - 2));
  return squares / n - (sum / n) * (sum / n);
}

double pen_share(const ImageView& tile) {
  int64_t pen = 0;
  for (int64_t y = 0; y < tile.height; ++y)
    for (int64_t x = 0; x < tile.width; ++x) {
      const Hsv p = rgb_to_hsv(tile.row(y) + 3 * x);
      const bool green_or_blue = p.h >= 35 && p.h <= 118 && p.s >= 100 && p.v >= 30;
      const bool red = (p.h <= 6 || p.h >= 175) && p.s >= 170 && p.v >= 100;
      pen += green_or_blue || red;
    }
  return static_cast<double>(pen) / static_cast<double>(tile.height * tile.width);
}

const std::vector<TileTest>& tile_tests() {
  using Config = TileFilterConfig;
  static const std::vector<TileTest> table = {
      {"black", "all three channel means below black_rgb (CLAM)", 0, [](const Config& c) { return c.black_rgb > 0; },
       [](TileLook& look) { return look.verdict().black; }},
      {"white", "mean saturation below white_saturation (CLAM)", 0, [](const Config& c) { return c.white_saturation > 0; },
       [](TileLook& look) { return look.verdict().white; }},
      {"hsv", "too few pixels inside [hsv_low, hsv_high] (Kaiko, Midnight)", 0, [](const Config& c) { return c.hsv; },
       [](TileLook& look) { return !look.verdict().hsv_keep; }},
      {"blurred", "variance of the Laplacian below blur_threshold", kQcBlurred, [](const Config& c) { return c.blur_threshold > 0; },
       [](TileLook& look) { return laplacian_variance(look.tile) < look.config.blur_threshold; }},
      {"pen", "pen_fraction of its pixels or more in the colours of pens", kQcPen, [](const Config& c) { return c.pen_fraction > 0; },
       [](TileLook& look) { return pen_share(look.tile) >= look.config.pen_fraction; }},
  };
  return table;
}

TestedTile test_tile(const ImageView& tile, const TileFilterConfig& config) {
  TestedTile tested;
  TileLook look{tile, config, {}};
  for (const TileTest& test : tile_tests()) {
    if (!test.is_on(config) || !test.fails(look)) continue;
    tested.marks |= test.mark;
    if (test.mark != 0) continue;
    tested.dropped = test.name;
    break;
  }
  return tested;
}

bool looks_at_pixels(const TileFilterConfig& config) {
  return std::any_of(tile_tests().begin(), tile_tests().end(), [&](const TileTest& test) { return test.is_on(config); });
}

}  // namespace eosin::data
