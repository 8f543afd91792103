#include "data/stain_reinhard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "data/lane_math.h"
#include "data/pixel_lanes.h"

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

/// Cube root of numbers in [1e-3, 1]: a third of the exponent, then Halley's steps, each of which triples the right digits.
FloatLanes cube_root(FloatLanes t) {
  const FloatLanes bits = __builtin_convertvector(std::bit_cast<IntLanes>(t), FloatLanes);
  FloatLanes y = std::bit_cast<FloatLanes>(__builtin_convertvector(bits * (1.0f / 3.0f) + 709921077.0f, IntLanes));
  for (int step = 0; step < 2; ++step) {
    const FloatLanes cube = y * y * y;
    y *= (cube + 2 * t) / (2 * cube + t);
  }
  return y;
}

FloatLanes bend(FloatLanes t) {
  const FloatLanes low = 7.787f * t + 16.0f / 116.0f;
  return t > 0.008856f ? cube_root(min(max(t, spread(1e-3f)), spread(1))) : low;
}
FloatLanes unbend(FloatLanes f) { return f > 0.2068966f ? f * f * f : (f - 16.0f / 116.0f) / 7.787f; }

Pixels lab_of(const uint8_t* rgb, int64_t count) {
  Pixels linear;
  load_pixels(linear.p, rgb, count, kLinear);
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
  Pixels linear = kBack({{unbend(lab.p[1] / 500.0f + y), unbend(y), unbend(y - lab.p[2] / 200.0f)}});
  for (auto& v : linear.p) v = 255 * min(gamma(v), spread(1));
  store_pixels(rgb, linear.p, count);
}

using DoubleLanes = double __attribute__((vector_size(64)));
double total(const DoubleLanes& v) {
  double sum = 0;
  for (int k = 0; k < kLanes; ++k) sum += v[k];
  return sum;
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
  const Pixels first = lab_of(image.row(0), 1);
  DoubleLanes sum[3] = {}, squares[3] = {};  // of the distance from the first pixel, so that a single colour has no deviation at all
  for_each_group(image, [&](const Pixels& lab, int64_t, int64_t, int64_t count) {
    for (int c = 0; c < 3; ++c) {
      DoubleLanes d = __builtin_convertvector(lab.p[c] - first.p[c][0], DoubleLanes);
      for (int64_t k = count; k < kLanes; ++k) d[k] = 0;
      sum[c] += d, squares[c] += d * d;
    }
  });
  LabStatistics s{std::vector<double>(3), std::vector<double>(3)};
  for (size_t c = 0; c < 3; ++c) {
    const double mean = total(sum[c]) / n;
    s.mean[c] = static_cast<double>(first.p[c][0]) + mean;
    s.std[c] = std::sqrt(std::max(0.0, total(squares[c]) / n - mean * mean));
  }
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
