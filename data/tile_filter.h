#pragma once
// Tests of a tile's own pixels, each counted under its own name: a row each in tile_filter.cpp.
#include "core/base/config.h"
#include "data/image.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace eosin::data {

struct TileFilterConfig {
  bool hsv = false;
  std::vector<int64_t> hsv_low = {90, 8, 103};
  std::vector<int64_t> hsv_high = {180, 255, 255};
  double min_fraction = 0.6;
  double white_saturation = 0;
  double black_rgb = 0;
  double blur_threshold = 0, pen_fraction = 0;
  void visit(config::Visitor& v) {
    v("hsv", hsv, "keep only tiles whose share of pixels inside [hsv_low, hsv_high] is above min_fraction (Midnight)");
    v("hsv_low", hsv_low, "lowest H (0-180), S, V (0-255)", config::Range{0, 255}, config::Length{3, 3});
    v("hsv_high", hsv_high, "highest H, S, V", config::Range{0, 255}, config::Length{3, 3});
    v("min_fraction", min_fraction, "share of pixels that must pass the HSV test", config::Range{0, 1});
    v("white_saturation", white_saturation, "drop tiles whose mean saturation is below this (CLAM: 15); 0 = off", config::Range{0, 255});
    v("black_rgb", black_rgb, "drop tiles whose three channel means are below this (CLAM: 50); 0 = off", config::Range{0, 255});
    v("blur_threshold", blur_threshold, "mark (not drop) tiles whose Laplacian has a smaller variance than this; 0 = off", config::Range{0, 1e9});
    v("pen_fraction", pen_fraction, "mark (not drop) tiles of which at least this share has the colour of a green, blue or red pen; 0 = off",
      config::Range{0, 1});
  }
};

/// What the tests say of one tile.
struct TileVerdict {
  double fraction = 0;    // share of pixels with hsv_low <= (H, S, V) <= hsv_high, both ends included
  bool hsv_keep = false;  // fraction > min_fraction
  bool white = false;     // mean saturation < white_saturation
  bool black = false;     // all three channel means < black_rgb
};
/// Checked  golden data.tile_filter.
TileVerdict judge_tile(const ImageView& tile, const TileFilterConfig& config);

/// Variance of the 3x3 Laplacian (0 1 0; 1 -4 1; 0 1 0) of the luminance over the inner pixels; 0 for a tile below 3x3.
double laplacian_variance(const ImageView& tile);

/// Share of pixels in the colours of pens, which H&E has not: green to blue (OpenCV's H 35 to 118, S >= 100, V >= 30), or a red more saturated
/// than blood (H <= 6 or >= 175, S >= 170, V >= 100). Of 263 H&E tiles of the Pathology Atlas and LC25000 none has more than 1.7 %.
double pen_share(const ImageView& tile);

/// A tile under test: what several tests ask of its pixels is computed once, when first asked for.
struct TileLook {
  const ImageView& tile;
  const TileFilterConfig& config;
  std::optional<TileVerdict> known;
  const TileVerdict& verdict() {
    if (!known) known = judge_tile(tile, config);
    return *known;
  }
};

/// One test: what it is called, whether a tile that fails it is dropped (mark 0) or kept with a bit of TileRow::qc set.
struct TileTest {
  std::string_view name, one_line;
  uint16_t mark = 0;
  bool (*is_on)(const TileFilterConfig& config) = nullptr;
  bool (*fails)(TileLook& look) = nullptr;
};
/// In the order in which they are asked.
const std::vector<TileTest>& tile_tests();

struct TestedTile {
  std::optional<std::string_view> dropped;  // the first test that drops it
  uint16_t marks = 0;
};
TestedTile test_tile(const ImageView& tile, const TileFilterConfig& config);
/// False if no test is on.
bool looks_at_pixels(const TileFilterConfig& config);

}  // namespace eosin::data
