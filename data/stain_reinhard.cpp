#include "data/stain_reinhard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/lane_math.h"

namespace eosin::data {
namespace {

constexpr double kLeastDeviation = 1e-6;
constexpr Triple kWhite = {0.95047, 1.0, 1.08883};
constexpr Matrix3 kXyzFromRgb = {{{0.412453, 0.357580, 0.180423}, {0.212671, 0.715160, 0.072169}, {0.019334, 0.119193, 0.950227}}};

struct Pixels {
  FloatLanes p[3];
};

struct FloatMatrix {
  float m[3][3];
  explicit FloatMatrix(const Matrix3& from) {
    for (size_t r = 0; r < 3; ++r)
      for (size_t c = 0; c < 3; ++c) m[r][c] = static_cast<float>(from[r][c]);
  }
  Pixels operator()(const Pixels& v) const {
    Pixels out;
    for (size_t r = 0; r < 3; ++r) out.p[r] = m[r][0] * v.p[0] + m[r][1] * v.p[1] + m[r][2] * v.p[2];
    return out;
  }
};

/// Rows divided by the white point; and the way back.
Matrix3 white_xyz_from_rgb() {
  Matrix3 m = kXyzFromRgb;
  for (size_t r = 0; r < 3; ++r)
    for (double& x : m[r]) x /= kWhite[r];
  return m;
}
const Matrix3 kToXyz = white_xyz_from_rgb();
const FloatMatrix kForward(kToXyz), kBack(inverse(kToXyz));

std::array<float, 256> linear_table() {
  std::array<float, 256> table;
  for (size_t i = 0; i < 256; ++i) {
    const double x = static_cast<double>(i) / 255;
    table[i] = static_cast<float>(x > 0.04045 ? std::pow((x + 0.055) / 1.055, 2.4) : x / 12.92);
  }
  return table;
}
const std::array<float, 256> kLinear = linear_table();

/// Cube root by the logarithm, and one step of Newton.
FloatLanes cube_root(FloatLanes t) {
  const FloatLanes y = exp(log(t) * (1.0f / 3.0f));
  return y - (y * y * y - t) / (3 * y * y);
}

FloatLanes bend(FloatLanes t) {
  const FloatLanes low = 7.787f * t + 16.0f / 116.0f;
  return t > 0.008856f ? cube_root(min(max(t, spread(1e-3f)), spread(1))) : low;
}
FloatLanes unbend(FloatLanes f) { return f > 0.2068966f ? f * f * f : (f - 16.0f / 116.0f) / 7.787f; }

Pixels lab_of(const uint8_t* rgb, int64_t count) {
  Pixels linear{};
  for (int64_t k = 0; k < count; ++k)
    for (int c = 0; c < 3; ++c) linear.p[c][k] = kLinear[rgb[3 * k + c]];
  const Pixels xyz = kForward(linear);
  const FloatLanes x = bend(xyz.p[0]), y = bend(xyz.p[1]), z = bend(xyz.p[2]);
  return {{116 * y - 16, 500 * (x - y), 200 * (y - z)}};
}

FloatLanes gamma(FloatLanes v) {
  const FloatLanes bright = 1.055f * exp(log(min(max(v, spread(1e-3f)), spread(1))) * (1 / 2.4f)) - 0.055f;
  return v > 0.0031308f ? bright : 12.92f * max(v, FloatLanes{});
}

void rgb_of(const Pixels& lab, uint8_t* rgb, int64_t count) {
  const FloatLanes y = (lab.p[0] + 16) / 116.0f;
  const Pixels linear = kBack({{unbend(lab.p[1] / 500.0f + y), unbend(y), unbend(y - lab.p[2] / 200.0f)}});
  for (int c = 0; c < 3; ++c) {
    const IntLanes v = __builtin_convertvector(255 * min(gamma(linear.p[c]), spread(1)), IntLanes);
    for (int64_t k = 0; k < count; ++k) rgb[3 * k + c] = static_cast<uint8_t>(v[k]);
  }
}

/// Calls f(lab, offset in the row, pixels) for groups of up to eight.
template <class F>
void for_each_group(ImageView image, F f) {
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; x += kLanes) {
      const int64_t count = std::min(kLanes, image.width - x);
      f(lab_of(image.row(y) + 3 * x, count), y, x, count);
    }
}

}  // namespace

void LabStatistics::visit(config::Visitor& v) {
  v("mean", mean, "mean of L, a, b; empty: not fitted", config::Range{-200, 200}, config::Length{0, 3});
  v("std", std, "deviation of L, a, b", config::Range{0, 200, config::kOpenLow}, config::Length{0, 3});
}

void LabStatistics::validate(config::Problems& p) const {
  if (mean.size() != std.size() || (!mean.empty() && mean.size() != 3))
    p.add("mean", fmt::format("need mean and std of three numbers, or none of them (got {}, {})", mean.size(), std.size()));
}

void ReinhardRule::visit(config::Visitor& v) { v("modified", modified, "keep the mean of L, widen it only, move a and b (torchstain's 'modified')"); }

Fitted<LabStatistics> reinhard_fit(ImageView image) {
  const auto n = static_cast<double>(image.height * image.width);
  if (n == 0) return StainFault::kTooLittleTissue;
  LabStatistics s{std::vector<double>(3, 0.0), std::vector<double>(3, 0.0)};
  std::vector<float> lab;
  lab.reserve(static_cast<size_t>(3 * image.height * image.width));
  for_each_group(image, [&](const Pixels& p, int64_t, int64_t, int64_t count) {
    for (int64_t k = 0; k < count; ++k)
      for (size_t c = 0; c < 3; ++c) s.mean[c] += static_cast<double>(lab.emplace_back(p.p[c][k]));
  });
  for (double& m : s.mean) m /= n;
  for (size_t i = 0; i < lab.size(); ++i) s.std[i % 3] += std::pow(static_cast<double>(lab[i]) - s.mean[i % 3], 2);
  for (double& v : s.std) v = std::sqrt(v / n);
  if (*std::min_element(s.std.begin(), s.std.end()) < kLeastDeviation) return StainFault::kDegenerateStains;
  return s;
}

LabMap reinhard_map(const LabStatistics& source, const LabStatistics& target, bool modified) {
  LabMap map;
  for (size_t c = 0; c < 3; ++c) {
    map.scale[c] = modified ? 1 : target.std[c] / source.std[c];
    map.shift[c] = target.mean[c] - source.mean[c] * map.scale[c];
  }
  if (!modified) return map;
  const double wider = (target.std[0] - source.std[0]) / target.std[0], q = wider > 0 ? wider : 0.05;
  map.scale[0] = 1 + q;
  map.shift[0] = -q * source.mean[0];
  return map;
}

void apply(const LabMap& map, ImageView in, Image& out) {
  out.height = in.height, out.width = in.width;
  out.rgb.resize(static_cast<size_t>(3 * in.height * in.width));
  float scale[3], shift[3];
  for (size_t c = 0; c < 3; ++c) scale[c] = static_cast<float>(map.scale[c]), shift[c] = static_cast<float>(map.shift[c]);
  for_each_group(in, [&](Pixels lab, int64_t y, int64_t x, int64_t count) {
    for (int c = 0; c < 3; ++c) lab.p[c] = lab.p[c] * scale[c] + shift[c];
    rgb_of(lab, out.row(y) + 3 * x, count);
  });
}

}  // namespace eosin::data
