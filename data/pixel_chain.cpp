#include "data/pixel_chain.h"

#include <algorithm>

#include "data/lanes.h"

namespace eosin::data {
namespace {

/// A run of pixels short enough for all its planes to stay in the first cache while the steps go over it.
struct Strip {
  float *r, *g, *b;
  int64_t size;
};
constexpr int64_t kStrip = 512;

struct Pixels {
  FloatLanes r, g, b;
};

FloatLanes spread(float v) { return FloatLanes{} + v; }
FloatLanes min(FloatLanes a, FloatLanes b) { return a < b ? a : b; }
FloatLanes max(FloatLanes a, FloatLanes b) { return a > b ? a : b; }
FloatLanes clamp01(FloatLanes v) { return min(max(v, FloatLanes{}), spread(1)); }
FloatLanes grey(const Pixels& p) { return 0.2989f * p.r + 0.587f * p.g + 0.114f * p.b; }

Pixels load(const Strip& s, int64_t i) {
  Pixels p;
  load_lanes(p.r, s.r + i), load_lanes(p.g, s.g + i), load_lanes(p.b, s.b + i);
  return p;
}
Pixels load_rest(const Strip& s, int64_t i) {
  Pixels p;
  load_some(p.r, s.r + i, s.size - i), load_some(p.g, s.g + i, s.size - i), load_some(p.b, s.b + i, s.size - i);
  return p;
}

/// strip[i] = f(strip[i]), eight pixels at a time.
template <class F>
void map(const Strip& s, F f) {
  int64_t i = 0;
  for (; i + kLanes <= s.size; i += kLanes) {
    const Pixels p = f(load(s, i));
    store_lanes(s.r + i, p.r), store_lanes(s.g + i, p.g), store_lanes(s.b + i, p.b);
  }
  if (i == s.size) return;
  const Pixels p = f(load_rest(s, i));
  const auto bytes = static_cast<size_t>(s.size - i) * sizeof(float);
  std::memcpy(s.r + i, &p.r, bytes), std::memcpy(s.g + i, &p.g, bytes), std::memcpy(s.b + i, &p.b, bytes);
}

double sum_of_grey(const Strip& s) {
  FloatLanes sum{};
  int64_t i = 0;
  for (; i + kLanes <= s.size; i += kLanes) sum += grey(load(s, i));
  if (i < s.size) sum += grey(load_rest(s, i));
  double total = 0;
  for (int k = 0; k < 8; ++k) total += static_cast<double>(sum[k]);
  return total;
}

Pixels blend(const Pixels& p, float factor, FloatLanes other) {
  const FloatLanes rest = (1 - factor) * other;
  return {clamp01(factor * p.r + rest), clamp01(factor * p.g + rest), clamp01(factor * p.b + rest)};
}

/// Turns the hue circle: out(n) = V - d * clamp(min(k, 4 - k)) with k = (n + 6 H) mod 6 and n = 5, 3, 1, which is the six-case
/// conversion of HSV written without cases; d = V - min = V * S.
Pixels turn_hue(const Pixels& p, float shift) {
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
  return {channel(5), channel(3), channel(1)};
}

void step(const Strip& strip, const PixelStep& s, float contrast_mean) {
  switch (s.op) {
    case PixelOp::kClamp:
      return map(strip, [](const Pixels& p) -> Pixels { return {clamp01(p.r), clamp01(p.g), clamp01(p.b)}; });
    case PixelOp::kBrightness:
      return map(strip, [f = s.factor](const Pixels& p) { return blend(p, f, FloatLanes{}); });
    case PixelOp::kContrast:
      return map(strip, [f = s.factor, m = spread(contrast_mean)](const Pixels& p) { return blend(p, f, m); });
    case PixelOp::kSaturation:
      return map(strip, [f = s.factor](const Pixels& p) { return blend(p, f, grey(p)); });
    case PixelOp::kHue:
      return map(strip, [f = s.factor](const Pixels& p) { return turn_hue(p, f); });
    case PixelOp::kGrayscale:
      return map(strip, [](const Pixels& p) -> Pixels {
        const FloatLanes g = grey(p);
        return {g, g, g};
      });
    case PixelOp::kSolarize:
      return map(strip, [t = spread(s.factor)](const Pixels& p) -> Pixels {
        return {p.r >= t ? 1 - p.r : p.r, p.g >= t ? 1 - p.g : p.g, p.b >= t ? 1 - p.b : p.b};
      });
    case PixelOp::kNormalize:
      return map(strip, [a = s.scale, b = s.offset](const Pixels& p) -> Pixels { return {p.r * a[0] + b[0], p.g * a[1] + b[1], p.b * a[2] + b[2]}; });
  }
}

/// Takes the strips through all steps; `see` is shown each when it is done.
template <class See>
void pass(Planes image, std::span<const PixelStep> steps, float contrast_mean, See see) {
  for (int64_t i = 0; i < image.size(); i += kStrip) {
    const Strip strip{image.plane(0) + i, image.plane(1) + i, image.plane(2) + i, std::min(kStrip, image.size() - i)};
    for (const PixelStep& s : steps) step(strip, s, contrast_mean);
    see(strip);
  }
}

/// Applies `steps` and returns the mean grey of the result.
float apply_and_mean(Planes image, std::span<const PixelStep> steps, float contrast_mean) {
  double sum = 0;
  pass(image, steps, contrast_mean, [&](const Strip& s) { sum += sum_of_grey(s); });
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
  if (done < steps.size()) pass(image, steps.subspan(done), mean, [](const Strip&) {});
}

}  // namespace eosin::data
