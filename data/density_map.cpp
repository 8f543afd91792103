#include "data/density_map.h"

#include <algorithm>
#include <cmath>

#include "data/lane_math.h"
#include "data/pixel_lanes.h"

namespace eosin::data {
namespace {

/// The map in float; `bias` takes density to the logarithm of v / 255.
struct FloatMap {
  float m[3][3], bias[3];

  explicit FloatMap(const DensityMap& map) {
    for (size_t c = 0; c < 3; ++c) {
      bias[c] = static_cast<float>(std::log(map.io / 255) - map.shift[c]);
      for (size_t k = 0; k < 3; ++k) m[c][k] = static_cast<float>(map.matrix[c][k]);
    }
  }
  /// Densities to values in [0, 1], in place.
  void operator()(FloatLanes (&d)[3]) const {
    FloatLanes v[3];
    for (size_t c = 0; c < 3; ++c) v[c] = exp(min(bias[c] - (m[c][0] * d[0] + m[c][1] * d[1] + m[c][2] * d[2]), FloatLanes{}));
    for (size_t c = 0; c < 3; ++c) d[c] = v[c];
  }
};

void map_row(const FloatMap& map, const std::array<float, 256>& density, const uint8_t* in, int64_t pixels, uint8_t* out) {
  for (int64_t x = 0; x < pixels; x += kLanes) {
    const int64_t count = std::min(kLanes, pixels - x);
    FloatLanes p[3];
    load_pixels(p, in + 3 * x, count, density);
    map(p);
    for (auto& v : p) v *= 255;
    store_pixels(out + 3 * x, p, count);
  }
}

}  // namespace

std::array<double, 256> density_table(double io) {
  std::array<double, 256> table;
  for (size_t v = 0; v < 256; ++v) table[v] = -std::log((static_cast<double>(v) + 1) / io);
  return table;
}

void apply(const DensityMap& map, ImageView in, Image& out) {
  std::array<float, 256> density;
  const auto exact = density_table(map.io);
  std::transform(exact.begin(), exact.end(), density.begin(), [](double d) { return static_cast<float>(d); });
  const FloatMap f(map);
  out.height = in.height, out.width = in.width;
  out.rgb.resize(static_cast<size_t>(3 * in.height * in.width));
  for (int64_t y = 0; y < in.height; ++y) map_row(f, density, in.row(y), in.width, out.row(y));
}

void apply(const DensityMap& map, Planes image) {
  const FloatMap f(map);
  const auto log_io = static_cast<float>(std::log(map.io));
  map_lanes(image, [&](FloatLanes(&p)[3]) {
    for (auto& v : p) v = log_io - log(255 * min(max(v, FloatLanes{}), spread(1)) + 1);
    f(p);
  });
}

}  // namespace eosin::data
