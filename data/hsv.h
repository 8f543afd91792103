#pragma once
// OpenCV's 8-bit HSV (H in 0..179, or 180 for a rounded-up red), in integers.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace eosin::data {

struct Hsv {
  uint8_t h = 0, s = 0, v = 0;
};

namespace detail {
/// round_half_even(full * 4096 / (step * i)), 0 for i = 0.
inline std::array<int32_t, 256> reciprocals(double full, double step) {
  std::array<int32_t, 256> table{};
  for (int i = 1; i < 256; ++i) table[static_cast<size_t>(i)] = static_cast<int32_t>(std::nearbyint(full * 4096 / (step * i)));
  return table;
}
inline const std::array<int32_t, 256> kSaturation = reciprocals(255, 1);
inline const std::array<int32_t, 256> kHue = reciprocals(180, 6);
}  // namespace detail

/// One pixel (cv::COLOR_RGB2HSV).
/// Checked  golden data.tile_filter, data.tissue_mask.
inline Hsv rgb_to_hsv(const uint8_t* rgb) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int v = std::max({r, g, b}), d = v - std::min({r, g, b});
  const int s = (d * detail::kSaturation[static_cast<size_t>(v)] + 2048) >> 12;
  const int sextant = v == r ? g - b : v == g ? b - r + 2 * d : r - g + 4 * d;
  const int h = (sextant * detail::kHue[static_cast<size_t>(d)] + 2048) >> 12;
  return {static_cast<uint8_t>(h < 0 ? h + 180 : h), static_cast<uint8_t>(s), static_cast<uint8_t>(v)};
}

}  // namespace eosin::data
