#include "data/color_jitter.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "data/pixel_chain.h"
#include "data/tone.h"

namespace eosin::data {
namespace {

void check(const ColorJitter& jitter) {
  auto sorted = jitter.order;
  std::sort(sorted.begin(), sorted.end());
  EOSIN_CHECK((sorted == std::array<int, 4>{0, 1, 2, 3}), Config, "[color_jitter] order must be a permutation of 0..3 (got {} {} {} {})",
              jitter.order[0], jitter.order[1], jitter.order[2], jitter.order[3]);
  constexpr const char* kNames[] = {"brightness", "contrast", "saturation"};
  for (size_t op = 0; op < 3; ++op)
    EOSIN_CHECK(std::isfinite(jitter.factors[op]) && jitter.factors[op] >= 0, Config, "[color_jitter] the factor of {} must not be negative (got {})",
                kNames[op], jitter.factors[op]);
  EOSIN_CHECK(std::abs(jitter.factors[3]) <= 0.5, Config, "[color_jitter] hue must be in [-0.5, 0.5] (got {})", jitter.factors[3]);
}

uint8_t clip(double v) { return static_cast<uint8_t>(std::clamp(v, 0.0, 255.0)); }

uint8_t blend(int other, int x, float factor) {
  const float v = static_cast<float>(other) + factor * static_cast<float>(x - other);
  return static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f));
}

/// Blends every channel with one value for the whole picture.
void blend_with(Image& image, int other, float factor) {
  uint8_t table[256];
  for (int x = 0; x < 256; ++x) table[x] = blend(other, x, factor);
  for (uint8_t& x : image.rgb) x = table[x];
}

int mean_luma(const Image& image) {
  double sum = 0;
  for (size_t i = 0; i < image.rgb.size(); i += 3) sum += luma(&image.rgb[i]);
  return static_cast<int>(sum / static_cast<double>(image.rgb.size() / 3) + 0.5);
}

void saturate(Image& image, float factor) {
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    const int l = luma(&image.rgb[i]);
    for (size_t c = 0; c < 3; ++c) image.rgb[i + c] = blend(l, image.rgb[i + c], factor);
  }
}

struct Hsv {
  uint8_t h, s, v;
};

Hsv to_hsv(const uint8_t* p) {
  const int r = p[0], g = p[1], b = p[2];
  const int value = std::max({r, g, b}), d = value - std::min({r, g, b});
  if (d == 0) return {0, 0, static_cast<uint8_t>(value)};
  const auto ratio = [d](int x) { return static_cast<float>(x) / static_cast<float>(d); };
  const float rc = ratio(value - r), gc = ratio(value - g), bc = ratio(value - b);
  float h;
  if (r == value)
    h = bc - gc;
  else if (g == value)
    h = static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc));
  else
    h = static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
  h = static_cast<float>(std::fmod(static_cast<double>(h) / 6.0 + 1.0, 1.0));
  const float s = static_cast<float>(d) / static_cast<float>(value);
  return {clip(static_cast<double>(h) * 255.0), clip(static_cast<double>(s) * 255.0), static_cast<uint8_t>(value)};
}

void from_hsv(const Hsv& c, uint8_t* p) {
  if (c.s == 0) {
    p[0] = p[1] = p[2] = c.v;
    return;
  }
  const float fs = static_cast<float>(c.s) / 255.0f;
  const double h6 = c.h * 6.0 / 255.0;
  const int i = static_cast<int>(std::floor(h6));
  const float f = static_cast<float>(h6 - i);
  const uint8_t v = c.v;
  const uint8_t low = clip(std::round(static_cast<double>(static_cast<float>(v * (1.0 - static_cast<double>(fs))))));
  const uint8_t q = clip(std::round(v * (1.0 - static_cast<double>(fs * f))));
  const uint8_t t = clip(std::round(v * (1.0 - static_cast<double>(fs) * (1.0 - static_cast<double>(f)))));
  const uint8_t sextants[6][3] = {{v, t, low}, {q, v, low}, {low, v, t}, {low, q, v}, {t, low, v}, {v, low, q}};
  std::copy_n(sextants[i % 6], 3, p);
}

void turn_hue(Image& image, double hue) {
  const auto shift = static_cast<uint8_t>(static_cast<int>(hue * 255));
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    Hsv c = to_hsv(&image.rgb[i]);
    c.h = static_cast<uint8_t>(c.h + shift);
    from_hsv(c, &image.rgb[i]);
  }
}

}  // namespace

void color_jitter(Image& image, const ColorJitter& jitter) {
  check(jitter);
  for (const int op : jitter.order) {
    const double factor = jitter.factors[static_cast<size_t>(op)];
    const float f = static_cast<float>(factor);
    switch (op) {
      case 0:
        blend_with(image, 0, f);
        break;
      case 1:
        blend_with(image, mean_luma(image), f);
        break;
      case 2:
        saturate(image, f);
        break;
      case 3:
        turn_hue(image, factor);
        break;
    }
  }
}

std::array<PixelStep, 4> pixel_steps(const ColorJitter& jitter) {
  check(jitter);
  constexpr PixelOp kOps[] = {PixelOp::kBrightness, PixelOp::kContrast, PixelOp::kSaturation, PixelOp::kHue};
  std::array<PixelStep, 4> steps;
  for (size_t i = 0; i < 4; ++i) {
    const auto op = static_cast<size_t>(jitter.order[i]);
    steps[i] = {kOps[op], static_cast<float>(jitter.factors[op])};
  }
  return steps;
}

void color_jitter(Planes image, const ColorJitter& jitter) { apply_chain(image, pixel_steps(jitter)); }

}  // namespace eosin::data
