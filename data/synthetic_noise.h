#pragma once
// What synthetic pictures are made of: smooth noise, and quantities that vary slowly over a slide.
#include "core/base/rng.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace eosin::data {

/// Smooth noise in [-1, 1]: a periodic table of random values, interpolated.
class Noise {
 public:
  explicit Noise(uint64_t seed) : table_(kEdge * kEdge) {
    RandomStream random(seed, 0, 0, RandomOp::kSynthetic);
    for (float& v : table_) v = random.uniform(-1, 1);
  }

  float operator()(float x, float y) const {
    const float fx = std::floor(x), fy = std::floor(y);
    const float u = ease(x - fx), v = ease(y - fy);
    const auto x0 = static_cast<uint32_t>(static_cast<int32_t>(fx)) & kWrap, x1 = (x0 + 1) & kWrap;
    const auto y0 = static_cast<uint32_t>(static_cast<int32_t>(fy)) & kWrap, y1 = (y0 + 1) & kWrap;
    const float top = table_[y0 * kEdge + x0] * (1 - u) + table_[y0 * kEdge + x1] * u;
    const float bottom = table_[y1 * kEdge + x0] * (1 - u) + table_[y1 * kEdge + x1] * u;
    return top * (1 - v) + bottom * v;
  }
  /// Without interpolation: grain.
  float grain(int64_t x, int64_t y) const {
    return table_[(static_cast<uint32_t>(y * 37) & kWrap) * kEdge + (static_cast<uint32_t>(x + (y >> 3) * 91) & kWrap)];
  }

 private:
  static constexpr uint32_t kEdge = 256, kWrap = 255;
  static float ease(float t) { return t * t * (3 - 2 * t); }
  std::vector<float> table_;
};

/// A slowly varying quantity, kept at every `spacing`-th pixel and interpolated.
class Field {
 public:
  Field(int64_t width, int64_t height, int64_t spacing)
      : spacing_(spacing), columns_(width / spacing + 2), values_(static_cast<size_t>(columns_ * (height / spacing + 2))) {}

  template <class F>
  void fill(F value) {
    for (int64_t r = 0; r < rows(); ++r)
      for (int64_t c = 0; c < columns_; ++c)
        values_[static_cast<size_t>(r * columns_ + c)] = value(static_cast<float>(c * spacing_), static_cast<float>(r * spacing_));
  }
  /// At a pixel; positions outside the slide take the nearest value.
  float at(float x, float y) const {
    const float u = std::clamp(x / static_cast<float>(spacing_), 0.0f, static_cast<float>(columns_) - 1.001f);
    const float v = std::clamp(y / static_cast<float>(spacing_), 0.0f, static_cast<float>(rows()) - 1.001f);
    const auto c = static_cast<int64_t>(u), r = static_cast<int64_t>(v);
    const float fu = u - static_cast<float>(c), fv = v - static_cast<float>(r);
    const float* p = values_.data() + r * columns_ + c;
    return (p[0] * (1 - fu) + p[1] * fu) * (1 - fv) + (p[columns_] * (1 - fu) + p[columns_ + 1] * fu) * fv;
  }

 private:
  int64_t rows() const { return static_cast<int64_t>(values_.size()) / columns_; }
  int64_t spacing_, columns_;
  std::vector<float> values_;
};

}  // namespace eosin::data
