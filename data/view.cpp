#include "data/view.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.h"
#include "core/base/rng.h"
#include "data/gaussian_blur.h"
#include "data/resize.h"

namespace eosin::data {
namespace {

/// The streams of one view; each op draws its decision first, then its values.
struct Draws {
  uint64_t seed, position;
  uint32_t view;
  RandomStream of(RandomOp op) const { return {seed, position, view, op}; }
};

bool chance(RandomStream& s, double p) { return s.uniform_double() < p; }
double between(RandomStream& s, double low, double high) { return low + (high - low) * s.uniform_double(); }

Box draw_box(const Draws& draws, const CropRule& rule, int64_t height, int64_t width) {
  RandomStream s = draws.of(RandomOp::kBox);
  std::array<double, kBoxDraws> u;
  for (double& v : u) v = s.uniform_double();
  return random_box(height, width, rule, u);
}

Orientation draw_orientation(const Draws& draws, Flip flip) {
  RandomStream s = draws.of(RandomOp::kFlip);
  switch (flip) {
    case Flip::kNone:
      return {};
    case Flip::kHorizontal:
      return {.hflip = chance(s, 0.5)};
    case Flip::kHorizontalVertical: {
      const bool h = chance(s, 0.5);
      return {.hflip = h, .vflip = chance(s, 0.5)};
    }
    case Flip::kD4:
      return d4_orientation(static_cast<int>(s.below(8)));
  }
  EOSIN_ASSERT(!"unknown flip");
  return {};
}

std::optional<HedJitter> draw_hed(const Draws& draws, const ViewRule& rule) {
  RandomStream s = draws.of(RandomOp::kStain);
  if (!chance(s, rule.hed_p)) return {};
  HedJitter hed;
  for (double& a : hed.alpha) a = between(s, 1 - rule.hed_sigma, 1 + rule.hed_sigma);
  for (double& b : hed.beta) b = between(s, -rule.hed_sigma, rule.hed_sigma);
  return hed;
}

std::optional<ColorJitter> draw_jitter(const Draws& draws, const ViewRule& rule) {
  RandomStream s = draws.of(RandomOp::kJitter);
  if (!chance(s, rule.jitter_p)) return {};
  ColorJitter jitter;
  for (size_t i = 0; i < 3; ++i) jitter.factors[i] = between(s, std::max(0.0, 1 - rule.jitter[i]), 1 + rule.jitter[i]);
  jitter.factors[3] = between(s, -rule.jitter[3], rule.jitter[3]);
  for (uint32_t i = 3; i > 0; --i) std::swap(jitter.order[i], jitter.order[s.below(i + 1)]);
  return jitter;
}

bool draw_chance(const Draws& draws, RandomOp op, double p) {
  RandomStream s = draws.of(op);
  return chance(s, p);
}

std::optional<double> draw_sigma(const Draws& draws, const ViewRule& rule) {
  RandomStream s = draws.of(RandomOp::kBlur);
  if (!chance(s, rule.blur_p)) return {};
  return between(s, rule.sigma[0], rule.sigma[1]);
}

Image rounded(const std::vector<float>& rgb, int64_t height, int64_t width) {
  Image out(height, width);
  for (size_t i = 0; i < rgb.size(); ++i) out.rgb[i] = static_cast<uint8_t>(rgb[i] * 255.0f + 0.5f);
  return out;
}

void check_square(const Planes& out, const ViewRule& rule) { EOSIN_ASSERT(out.height == rule.size_px && out.width == rule.size_px); }

}  // namespace

ViewParams draw_view(const ViewRule& rule, int64_t height, int64_t width, uint64_t seed, uint64_t position, uint32_t view) {
  const Draws draws{seed, position, view};
  return {.box = draw_box(draws, rule.crop, height, width),
          .orientation = draw_orientation(draws, rule.flip),
          .hed = draw_hed(draws, rule),
          .jitter = draw_jitter(draws, rule),
          .gray = draw_chance(draws, RandomOp::kGray, rule.gray_p),
          .sigma = draw_sigma(draws, rule),
          .solarize = draw_chance(draws, RandomOp::kSolarize, rule.solarize_p)};
}

void render_exact(ImageView tile, const ViewRule& rule, const ViewParams& params, Planes out) {
  check_square(out, rule);
  const Orientation& o = params.orientation;
  Image view = crop_resize(tile, params.box, rule.size_px, rule.size_px, rule.filter, o.hflip, o.vflip);
  if (o.transpose) view = transposed(view);
  if (params.hed) view = rounded(hed_jitter(view, *params.hed), view.height, view.width);
  if (params.jitter) color_jitter(view, *params.jitter);
  if (params.gray) grayscale(view);
  if (params.sigma) rule.blur == Blur::kBox ? box_blur(view, *params.sigma) : kernel_blur(view, kBlurKernel, *params.sigma);
  if (params.solarize) solarize(view, static_cast<int>(rule.solarize_threshold));
  normalize(view, rule.mean, rule.std, out);
}

void render_fast(ConstPlanes tile, const ViewRule& rule, const ViewParams& params, Planes out) {
  check_square(out, rule);
  resize(tile.crop(params.box), out, rule.filter, params.orientation.hflip, params.orientation.vflip);
  if (params.orientation.transpose) transpose(out);
  if (params.hed) hed_jitter(out, *params.hed);

  std::array<PixelStep, 8> steps;
  size_t n = 0;
  steps[n++] = {PixelOp::kClamp};  // bicubic overshoots
  if (params.jitter)
    for (const PixelStep& s : pixel_steps(*params.jitter)) steps[n++] = s;
  if (params.gray) steps[n++] = {PixelOp::kGrayscale};
  if (params.sigma) {
    apply_chain(out, {steps.data(), n});
    rule.blur == Blur::kBox ? box_blur(out, *params.sigma) : kernel_blur(out, kBlurKernel, *params.sigma);
    n = 0;
  }
  if (params.solarize) steps[n++] = {PixelOp::kSolarize, static_cast<float>(rule.solarize_threshold) / 255.0f};
  steps[n++] = normalize_step(rule.mean, rule.std);
  apply_chain(out, {steps.data(), n});
}

}  // namespace eosin::data
