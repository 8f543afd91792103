#include "data/tile_filter.h"

#include "data/hsv.h"

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

std::optional<std::string_view> drop_reason(const TileVerdict& verdict, const TileFilterConfig& config) {
  if (config.black_rgb > 0 && verdict.black) return "black";
  if (config.white_saturation > 0 && verdict.white) return "white";
  if (config.hsv && !verdict.hsv_keep) return "hsv";
  return std::nullopt;
}

}  // namespace eosin::data
