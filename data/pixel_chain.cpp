#include "data/pixel_chain.h"

#include <algorithm>

#include "data/lanes.h"

namespace eosin::data {
namespace {

struct Pixels {
  FloatLanes r, g, b;
};

FloatLanes spread(float v) { return FloatLanes{} + v; }
FloatLanes min(FloatLanes a, FloatLanes b) { return a < b ? a : b; }
FloatLanes max(FloatLanes a, FloatLanes b) { return a > b ? a : b; }
FloatLanes clamp01(FloatLanes v) { return min(max(v, FloatLanes{}), spread(1)); }
FloatLanes grey(const Pixels& p) { return 0.2989f * p.r + 0.587f * p.g + 0.114f * p.b; }

void blend(Pixels& p, float factor, FloatLanes other) {
  const FloatLanes rest = (1 - factor) * other;
  p = {clamp01(factor * p.r + rest), clamp01(factor * p.g + rest), clamp01(factor * p.b + rest)};
}

/// Turns the hue circle: out(n) = V - d * clamp(min(k, 4 - k)) with k = (n + 6 H) mod 6 and n = 5, 3, 1, which is the six-case
/// conversion of HSV written without cases; d = V - min = V * S.
void turn_hue(Pixels& p, float shift) {
  const FloatLanes value = max(p.r, max(p.g, p.b));
  const FloatLanes d = value - min(p.r, min(p.g, p.b));
  const FloatLanes inverse = 1.0f / (d == 0 ? spread(1) : d);
  FloatLanes h = p.r == value ? (p.g - p.b) * inverse : p.g == value ? 2 + (p.b - p.r) * inverse : 4 + (p.r - p.g) * inverse;
  h += 6 * shift;
  h = h < 0 ? h + 6 : h;
  h = h >= 6 ? h - 6 : h;
  const auto channel = [&](float n) {
    FloatLanes k = h + n;
    k = k >= 6 ? k - 6 : k;
    return value - d * clamp01(min(k, 4 - k));
  };
  p = {channel(5), channel(3), channel(1)};
}

void step(Pixels& p, const PixelStep& s, float contrast_mean) {
  switch (s.op) {
    case PixelOp::kClamp:
      p = {clamp01(p.r), clamp01(p.g), clamp01(p.b)};
      return;
    case PixelOp::kBrightness:
      return blend(p, s.factor, FloatLanes{});
    case PixelOp::kContrast:
      return blend(p, s.factor, spread(contrast_mean));
    case PixelOp::kSaturation:
      return blend(p, s.factor, grey(p));
    case PixelOp::kHue:
      return turn_hue(p, s.factor);
    case PixelOp::kGrayscale: {
      const FloatLanes g = grey(p);
      p = {g, g, g};
      return;
    }
    case PixelOp::kSolarize: {
      const FloatLanes t = spread(s.factor);
      p = {p.r >= t ? 1 - p.r : p.r, p.g >= t ? 1 - p.g : p.g, p.b >= t ? 1 - p.b : p.b};
      return;
    }
    case PixelOp::kNormalize:
      p = {p.r * s.scale[0] + s.offset[0], p.g * s.scale[1] + s.offset[1], p.b * s.scale[2] + s.offset[2]};
      return;
  }
}

/// Eight pixels (or the rest) at `i` of the three planes.
Pixels load(Planes image, int64_t i, int64_t count) {
  Pixels p;
  if (count == kLanes) {
    load_lanes(p.r, image.plane(0) + i), load_lanes(p.g, image.plane(1) + i), load_lanes(p.b, image.plane(2) + i);
  } else {
    load_some(p.r, image.plane(0) + i, count), load_some(p.g, image.plane(1) + i, count), load_some(p.b, image.plane(2) + i, count);
  }
  return p;
}
void store(Planes image, int64_t i, int64_t count, const Pixels& p) {
  if (count == kLanes) {
    store_lanes(image.plane(0) + i, p.r), store_lanes(image.plane(1) + i, p.g), store_lanes(image.plane(2) + i, p.b);
  } else {
    const auto bytes = static_cast<size_t>(count) * sizeof(float);
    std::memcpy(image.plane(0) + i, &p.r, bytes), std::memcpy(image.plane(1) + i, &p.g, bytes), std::memcpy(image.plane(2) + i, &p.b, bytes);
  }
}

/// One pass over the picture; `see` is shown every block of pixels as it is stored.
template <class See>
void pass(Planes image, std::span<const PixelStep> steps, float contrast_mean, See see) {
  for (int64_t i = 0; i < image.size(); i += kLanes) {
    const int64_t count = std::min(kLanes, image.size() - i);
    Pixels p = load(image, i, count);
    for (const PixelStep& s : steps) step(p, s, contrast_mean);
    see(p, count);
    if (!steps.empty()) store(image, i, count, p);
  }
}

/// Applies `steps` and returns the mean grey of the result.
float apply_and_mean(Planes image, std::span<const PixelStep> steps, float contrast_mean) {
  double sum = 0;
  pass(image, steps, contrast_mean, [&](const Pixels& p, int64_t count) {
    const FloatLanes g = grey(p);
    if (count == kLanes)
      sum += static_cast<double>((g[0] + g[1]) + (g[2] + g[3]) + ((g[4] + g[5]) + (g[6] + g[7])));
    else
      for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(g[i]);
  });
  return static_cast<float>(sum / static_cast<double>(image.size()));
}

}  // namespace

PixelStep normalize_step(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
  PixelStep s{PixelOp::kNormalize};
  for (size_t c = 0; c < 3; ++c) {
    s.scale[c] = static_cast<float>(1 / std[c]);
    s.offset[c] = static_cast<float>(-mean[c] / std[c]);
  }
  return s;
}

void apply_chain(Planes image, std::span<const PixelStep> steps) {
  float mean = 0;
  size_t done = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].op != PixelOp::kContrast) continue;
    mean = apply_and_mean(image, steps.subspan(done, i - done), mean);
    done = i;
  }
  if (done < steps.size()) pass(image, steps.subspan(done), mean, [](const Pixels&, int64_t) {});
}

}  // namespace eosin::data
