#pragma once
// Eight pixels at a time: out of bytes by a table, out of planes, and back.
#include <algorithm>
#include <array>

#include "data/image.h"
#include "data/lanes.h"

namespace eosin::data {

/// Channels R, G, B of `count` <= 8 pixels, each through the table; the other lanes hold table[0].
inline void load_pixels(FloatLanes (&p)[3], const uint8_t* rgb, int64_t count, const std::array<float, 256>& table) {
  uint8_t bytes[3 * kLanes] = {};
  count == kLanes ? std::memcpy(bytes, rgb, sizeof bytes) : std::memcpy(bytes, rgb, static_cast<size_t>(3 * count));
  float values[3][kLanes];
  for (int64_t k = 0; k < kLanes; ++k)
    for (int c = 0; c < 3; ++c) values[c][k] = table[bytes[3 * k + c]];
  for (int c = 0; c < 3; ++c) load_lanes(p[c], values[c]);
}

/// Cuts levels in [0, 256) to integers.
inline void store_pixels(uint8_t* rgb, const FloatLanes (&p)[3], int64_t count) {
  int32_t values[3][kLanes];
  for (int c = 0; c < 3; ++c) store_lanes(values[c], __builtin_convertvector(p[c], IntLanes));
  for (int64_t k = 0; k < count; ++k)
    for (int c = 0; c < 3; ++c) rgb[3 * k + c] = static_cast<uint8_t>(values[c][k]);
}

/// f(p) on every eight pixels of a picture's planes, in place.
template <class F>
void map_lanes(Planes image, F f) {
  FloatLanes p[3];
  int64_t i = 0;
  for (; i + kLanes <= image.size(); i += kLanes) {
    for (int64_t c = 0; c < 3; ++c) load_lanes(p[c], image.plane(c) + i);
    f(p);
    for (int64_t c = 0; c < 3; ++c) store_lanes(image.plane(c) + i, p[c]);
  }
  const int64_t rest = image.size() - i;
  if (rest == 0) return;
  for (int64_t c = 0; c < 3; ++c) load_some(p[c], image.plane(c) + i, rest);
  f(p);
  for (int64_t c = 0; c < 3; ++c) std::memcpy(image.plane(c) + i, &p[c], static_cast<size_t>(rest) * sizeof(float));
}

}  // namespace eosin::data
