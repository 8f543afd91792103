#include "data/hed_jitter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "data/lanes.h"

namespace eosin::data {
namespace {

using Matrix = std::array<std::array<double, 3>, 3>;
constexpr Matrix kRgbFromHed = {{{0.65, 0.70, 0.29}, {0.07, 0.99, 0.11}, {0.27, 0.57, 0.78}}};
const double kLogFloor = std::log(1e-6);

Matrix inverse(const Matrix& m) {
  Matrix out;
  const auto cofactor = [&](size_t r, size_t c) {
    const size_t r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
    return m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
  };
  const double det = m[0][0] * cofactor(0, 0) + m[0][1] * cofactor(0, 1) + m[0][2] * cofactor(0, 2);
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 3; ++c) out[c][r] = cofactor(r, c) / det;
  return out;
}
const Matrix kHedFromRgb = inverse(kRgbFromHed);

using Triple = std::array<double, 3>;
Triple times(const Triple& v, const Matrix& m) {
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

/// Natural logarithm of positive normal numbers; relative error below 1e-6 (minimax polynomial on [sqrt(1/2), sqrt(2)) from Cephes).
FloatLanes log(FloatLanes x) {
  IntLanes bits = std::bit_cast<IntLanes>(x);
  IntLanes exponent = (bits >> 23) - 126;
  FloatLanes m = std::bit_cast<FloatLanes>((bits & 0x007fffff) | 0x3f000000);
  const IntLanes small = m < 0.707106781186547524f;
  exponent += small;
  m = (small ? m + m : m) - 1.0f;
  const FloatLanes z = m * m;
  FloatLanes p = 7.0376836292e-2f * m - 1.1514610310e-1f;
  for (const float c :
       {1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    p = p * m + c;
  const FloatLanes e = __builtin_convertvector(exponent, FloatLanes);
  return m + (p * m * z - 0.5f * z) + e * 0.693147180559945f;
}

/// e to the x for x <= 0; below -87 zero. Relative error below 1e-6.
FloatLanes exp(FloatLanes x) {
  x = x < -87.0f ? FloatLanes{} - 87.0f : x;
  const IntLanes n = __builtin_convertvector(x * 1.44269504088896341f - 0.5f, IntLanes);
  const FloatLanes k = __builtin_convertvector(n, FloatLanes);
  x -= k * 0.693359375f;
  x -= k * -2.12194440e-4f;
  FloatLanes p = 1.9875691500e-4f * x + 1.3981999507e-3f;
  for (const float c : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * x + c;
  return (p * x * x + x + 1.0f) * std::bit_cast<FloatLanes>((n + 127) << 23);
}

struct FloatMatrix {
  float m[3][3];
};
FloatMatrix scaled(const Matrix& from, double factor) {
  FloatMatrix out;
  for (size_t r = 0; r < 3; ++r)
    for (size_t c = 0; c < 3; ++c) out.m[r][c] = static_cast<float>(from[r][c] * factor);
  return out;
}

/// Eight pixels: logarithms to stains, the change, and back.
void jitter_lanes(FloatLanes (&p)[3], const HedJitter& jitter, const FloatMatrix& to_hed, const FloatMatrix& to_log) {
  for (auto& v : p) v = log(v < 1e-6f ? FloatLanes{} + 1e-6f : v);
  FloatLanes hed[3];
  for (size_t s = 0; s < 3; ++s) {
    hed[s] = p[0] * to_hed.m[0][s] + p[1] * to_hed.m[1][s] + p[2] * to_hed.m[2][s];
    hed[s] = hed[s] > 0 ? hed[s] : FloatLanes{};
    hed[s] = hed[s] * static_cast<float>(jitter.alpha[s]) + static_cast<float>(jitter.beta[s]);
  }
  for (size_t c = 0; c < 3; ++c) {
    const FloatLanes v = hed[0] * to_log.m[0][c] + hed[1] * to_log.m[1][c] + hed[2] * to_log.m[2][c];
    p[c] = exp(v > 0 ? FloatLanes{} : v);
  }
}

}  // namespace

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

void hed_jitter(Planes image, const HedJitter& jitter) {
  const FloatMatrix to_hed = scaled(kHedFromRgb, 1 / kLogFloor), to_log = scaled(kRgbFromHed, kLogFloor);
  for (int64_t i = 0; i < image.size(); i += kLanes) {
    const int64_t count = std::min(kLanes, image.size() - i);
    FloatLanes p[3];
    for (int64_t c = 0; c < 3; ++c) count == kLanes ? load_lanes(p[c], image.plane(c) + i) : load_some(p[c], image.plane(c) + i, count);
    jitter_lanes(p, jitter, to_hed, to_log);
    for (int64_t c = 0; c < 3; ++c) std::memcpy(image.plane(c) + i, &p[c], static_cast<size_t>(count) * sizeof(float));
  }
}

}  // namespace eosin::data
