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

Box draw_box(const Draws& draws, const ViewRule& rule, int64_t height, int64_t width) {
  RandomStream s = draws.of(RandomOp::kBox);
  std::array<double, kBoxDraws> u;
  for (double& v : u) v = s.uniform_double();
  CropRule crop = rule.crop;
  if (rule.scale_of_px)
    for (double& share : crop.scale) share *= static_cast<double>(*rule.scale_of_px * *rule.scale_of_px) / static_cast<double>(height * width);
  return random_box(height, width, crop, u);
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

HedJitter draw_hed(RandomStream& s, double sigma) {
  HedJitter hed;
  for (double& a : hed.alpha) a = between(s, 1 - sigma, 1 + sigma);
  for (double& b : hed.beta) b = between(s, -sigma, sigma);
  return hed;
}

MacenkoJitter draw_macenko(RandomStream& s, const ViewRule& rule) {
  MacenkoJitter jitter;
  for (double& a : jitter.scale) a = between(s, rule.macenko_scale[0], rule.macenko_scale[1]);
  for (double& b : jitter.shift) b = between(s, rule.macenko_shift[0], rule.macenko_shift[1]);
  return jitter;
}

/// One draw decides between the stain augmentations.
void draw_stain(const Draws& draws, const ViewRule& rule, ViewParams& params) {
  RandomStream s = draws.of(RandomOp::kStain);
  const double u = s.uniform_double(), hed = rule.hed_p, macenko = hed + rule.macenko_p, randstainna = macenko + rule.randstainna_p;
  if (u < hed)
    params.hed = draw_hed(s, rule.hed_sigma);
  else if (u < macenko)
    params.macenko = draw_macenko(s, rule);
  else if (u < randstainna)
    params.randstainna = draw_statistics(rule.randstainna, s);
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

Image rounded(ConstPlanes planes) {
  Image out(planes.height, planes.width);
  for (int64_t y = 0; y < out.height; ++y)
    for (int64_t x = 0; x < out.width; ++x)
      for (int64_t c = 0; c < 3; ++c) out.row(y)[3 * x + c] = static_cast<uint8_t>(std::clamp(planes.row(c, y)[x], 0.0f, 1.0f) * 255.0f + 0.5f);
  return out;
}

void change_stain(Image& view, const ViewParams& params, const StainVectors* stains) {
  if (params.hed) view = rounded(hed_jitter(view, *params.hed), view.height, view.width);
  if (params.macenko && stains) {
    Image changed;
    apply(macenko_jitter_map(*stains, MacenkoRule{}.io, *params.macenko), view, changed);
    view = std::move(changed);
  }
  if (params.randstainna) randstainna(view, *params.randstainna);
}

void change_stain(Planes view, const ViewParams& params, const StainVectors* stains) {
  if (params.hed) hed_jitter(view, *params.hed);
  if (params.macenko && stains) apply(macenko_jitter_map(*stains, MacenkoRule{}.io, *params.macenko), view);
  if (!params.randstainna) return;
  Image levels = rounded(view);
  randstainna(levels, *params.randstainna);
  to_planes(levels, view);
}

void check_square(const Planes& out, const ViewRule& rule) { EOSIN_ASSERT(out.height == rule.size_px && out.width == rule.size_px); }

}  // namespace

ViewParams draw_view(const ViewRule& rule, int64_t height, int64_t width, uint64_t seed, uint64_t position, uint32_t view) {
  const Draws draws{seed, position, view};
  ViewParams params;
  params.box = draw_box(draws, rule, height, width);
  params.orientation = draw_orientation(draws, rule.flip);
  draw_stain(draws, rule, params);
  params.jitter = draw_jitter(draws, rule);
  params.gray = draw_chance(draws, RandomOp::kGray, rule.gray_p);
  params.sigma = draw_sigma(draws, rule);
  params.solarize = draw_chance(draws, RandomOp::kSolarize, rule.solarize_p);
  return params;
}

void render_exact(ImageView tile, const ViewRule& rule, const ViewParams& params, Planes out, const StainVectors* stains) {
  check_square(out, rule);
  const Orientation& o = params.orientation;
  Image view = crop_resize(tile, params.box, rule.size_px, rule.size_px, rule.filter, o.hflip, o.vflip);
  if (o.transpose) view = transposed(view);
  change_stain(view, params, stains);
  if (params.jitter) color_jitter(view, *params.jitter);
  if (params.gray) grayscale(view);
  if (params.sigma) rule.blur == Blur::kBox ? box_blur(view, *params.sigma) : kernel_blur(view, kBlurKernel, *params.sigma);
  if (params.solarize) solarize(view, static_cast<int>(rule.solarize_threshold));
  normalize(view, rule.mean, rule.std, out);
}

void render_fast(ConstPlanes tile, const ViewRule& rule, const ViewParams& params, Planes out, const StainVectors* stains) {
  check_square(out, rule);
  resize(tile.crop(params.box), out, rule.filter, params.orientation.hflip, params.orientation.vflip);
  if (params.orientation.transpose) transpose(out);
  change_stain(out, params, stains);

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
