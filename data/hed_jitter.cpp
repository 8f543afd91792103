#include "data/hed_jitter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/lane_math.h"
#include "data/matrix3.h"
#include "data/pixel_lanes.h"

namespace eosin::data {
namespace {

constexpr Matrix3 kRgbFromHed = {{{0.65, 0.70, 0.29}, {0.07, 0.99, 0.11}, {0.27, 0.57, 0.78}}};
const double kLogFloor = std::log(1e-6);

const Matrix3 kHedFromRgb = inverse(kRgbFromHed);

Triple times(const Triple& v, const Matrix3& m) {
  Triple out;
  for (size_t c = 0; c < 3; ++c) out[c] = v[0] * m[0][c] + v[1] * m[1][c] + v[2] * m[2][c];
  return out;
}

Triple hed_of(const uint8_t* rgb) {
  Triple absorbed;
  for (size_t c = 0; c < 3; ++c) absorbed[c] = std::log(std::max(rgb[c] / 255.0, 1e-6)) / kLogFloor;
  Triple hed = times(absorbed, kHedFromRgb);
  for (double& v : hed) v = std::max(v, 0.0);
  return hed;
}

template <class Convert>
std::vector<float> map_pixels(ImageView image, Convert convert) {
  std::vector<float> out;
  out.reserve(static_cast<size_t>(image.height * image.width * 3));
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      for (const double v : convert(image.row(y) + 3 * x)) out.push_back(static_cast<float>(v));
  return out;
}

void scaled(const Matrix3& from, double factor, float (&to)[3][3]) {
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 3; ++c) to[r][c] = static_cast<float>(from[r][c] * factor);
}

const HedMatrices kMatrices = [] {
  HedMatrices m;
  scaled(kHedFromRgb, 1 / kLogFloor, m.hed_of_log);
  scaled(kRgbFromHed, kLogFloor, m.log_of_hed);
  return m;
}();

void hed_from_rgb(FloatLanes (&p)[3]) {
  const auto& m = kMatrices.hed_of_log;
  for (auto& v : p) v = log(max(v, spread(1e-6f)));
  FloatLanes hed[3];
  for (size_t s = 0; s < 3; ++s) hed[s] = max(p[0] * m[0][s] + p[1] * m[1][s] + p[2] * m[2][s], FloatLanes{});
  for (size_t s = 0; s < 3; ++s) p[s] = hed[s];
}

void rgb_from_hed(FloatLanes (&p)[3]) {
  const auto& m = kMatrices.log_of_hed;
  FloatLanes rgb[3];
  for (size_t c = 0; c < 3; ++c) rgb[c] = exp(min(p[0] * m[0][c] + p[1] * m[1][c] + p[2] * m[2][c], FloatLanes{}));
  for (size_t c = 0; c < 3; ++c) p[c] = rgb[c];
}

}  // namespace

const HedMatrices& hed_matrices() { return kMatrices; }

std::vector<float> rgb_to_hed(ImageView image) { return map_pixels(image, hed_of); }

std::vector<float> hed_jitter(ImageView image, const HedJitter& jitter) {
  return map_pixels(image, [&](const uint8_t* pixel) {
    Triple hed = hed_of(pixel);
    for (size_t s = 0; s < 3; ++s) hed[s] = hed[s] * jitter.alpha[s] + jitter.beta[s];
    Triple rgb = times(hed, kRgbFromHed);
    for (double& v : rgb) v = std::clamp(std::exp(kLogFloor * v), 0.0, 1.0);
    return rgb;
  });
}

void rgb_to_hed(Planes image) { map_lanes(image, hed_from_rgb); }
void hed_to_rgb(Planes image) { map_lanes(image, rgb_from_hed); }

void hed_jitter(Planes image, const HedJitter& jitter) {
  map_lanes(image, [&](FloatLanes(&p)[3]) {
    hed_from_rgb(p);
    for (size_t s = 0; s < 3; ++s) p[s] = p[s] * static_cast<float>(jitter.alpha[s]) + static_cast<float>(jitter.beta[s]);
    rgb_from_hed(p);
  });
}

}  // namespace eosin::data
