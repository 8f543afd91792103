#include "data/pixel_chain.h"

#include <algorithm>

#include "core/kernels/pixel_element.h"
#include "data/lanes.h"

namespace eosin::data {
namespace {

/// A run of pixels short enough for all its planes to stay in the first cache while the steps go over it.
struct Strip {
  float *r, *g, *b;
  int64_t size;
};
constexpr int64_t kStrip = 512;

using Pixels = kernels::Rgb<FloatLanes>;

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

void step(const Strip& strip, const PixelStep& s, float contrast_mean) {
  switch (s.op) {
    case PixelOp::kClamp:
      return map(strip, [](const Pixels& p) { return clamped(p); });
    case PixelOp::kBrightness:
      return map(strip, [f = s.factor](const Pixels& p) { return blend(p, f, FloatLanes{}); });
    case PixelOp::kContrast:
      return map(strip, [f = s.factor, m = FloatLanes{} + contrast_mean](const Pixels& p) { return blend(p, f, m); });
    case PixelOp::kSaturation:
      return map(strip, [f = s.factor](const Pixels& p) { return blend(p, f, grey(p)); });
    case PixelOp::kHue:
      return map(strip, [f = s.factor](const Pixels& p) { return turn_hue(p, f); });
    case PixelOp::kGrayscale:
      return map(strip, [](const Pixels& p) { return greyed(p); });
    case PixelOp::kSolarize:
      return map(strip, [t = s.factor](const Pixels& p) { return solarized(p, t); });
    case PixelOp::kNormalize:
      return map(strip, [a = s.scale, b = s.offset](const Pixels& p) { return normalized(p, a.data(), b.data()); });
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
