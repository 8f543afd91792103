#pragma once
// One augmented crop of a u8 tile from its drawn parameters, by a team of threads: the loops of views_cpu.cpp and views_cuda.cu are this
// text. A team has
//   each(n, f)   f(0) ... f(n - 1), all done when it returns;
//   sum(n, f)    their sum, known to every thread.
// Plain C++17, no torch.
#include "core/kernels/blur_element.h"
#include "core/kernels/host_device.h"
#include "core/kernels/pixel_element.h"
#include "core/kernels/resample_element.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace eosin::kernels {

/// Bits of ViewRecord::flags; above them, from kOrderShift, the order of the colour jitter: two bits an op, the first lowest.
enum ViewFlag : uint32_t {
  kFlipX = 1,
  kFlipY = 2,
  kTranspose = 4,
  kHed = 8,
  kJitter = 16,
  kGray = 32,
  kBlur = 64,
  kSolarize = 128,
};
inline constexpr int kOrderShift = 8;

/// What was drawn for one crop.
struct ViewRecord {
  int32_t top, left, height, width;  // inside the tile
  float hed_alpha[3], hed_beta[3];
  float factors[4];  // brightness, contrast, saturation, hue
  float sigma;
  uint32_t flags;

  EOSIN_HOST_DEVICE bool has(ViewFlag flag) const { return (flags & flag) != 0; }
  EOSIN_HOST_DEVICE int op(int place) const { return static_cast<int>(flags >> (kOrderShift + 2 * place)) & 3; }
};
static_assert(sizeof(ViewRecord) == 64, "what crosses the bus for one crop");

/// What all crops of one size have in common.
struct ViewRecipe {
  int32_t size_px;
  Filter filter;
  bool box_blur;  // Pillow's; else the 9x9 kernel
  float solarize_threshold;
  float scale[3], offset[3];                 // normalisation: x * scale + offset
  float hed_of_log[3][3], log_of_hed[3][3];  // rows times matrix
};

/// The inputs of one output along an axis.
struct Taps {
  int32_t first, count;
};

/// Crop c is of tile c mod n_tiles. Memory of a crop: `planes` [3, size, size] (may be the output if that is float), `spare`
/// [size, max(size, tile_width)], `taps` [2, size], `weights` [2, size, max_taps].
struct ViewTask {
  ViewRecipe recipe;
  const uint8_t* tiles;  // [n_tiles, tile_height, tile_width, 3]
  int32_t n_tiles, tile_height, tile_width;
  const ViewRecord* records;
  int32_t n_crops, max_taps;
  float *planes, *spare, *weights;
  Taps* taps;
  void* out;  // [n_crops, 3, size, size]: float, or the bits of bfloat16
  bool bfloat16;
};

/// The share of a task that belongs to one crop.
struct Crop {
  const uint8_t* tile;
  int tile_width, max_taps;
  float *planes, *spare, *weights;
  Taps* taps;
};
EOSIN_HOST_DEVICE inline Crop crop_of(const ViewTask& t, int64_t c) {
  const int64_t size = t.recipe.size_px, width = t.tile_width > size ? t.tile_width : size;
  return {t.tiles + c % t.n_tiles * t.tile_height * t.tile_width * 3,
          t.tile_width,
          t.max_taps,
          t.planes + c * 3 * size * size,
          t.spare + c * size * width,
          t.weights + c * 2 * size * t.max_taps,
          t.taps + c * 2 * size};
}

// ------------------------------------------------------------------------------------------------ crop and resize
/// The taps of output i of m from n inputs; weights to w.
template <class Kernel>
EOSIN_HOST_DEVICE inline Taps fill_taps(int i, int n, int m, float* w) {
  const Scale scale(n, m);
  const Window window = window_of(i, n, scale, Kernel::kSupport);
  double sum = 0;
  for (int64_t k = window.low; k < window.high; ++k) sum += weight_of<Kernel>(k, window, scale);
  for (int64_t k = window.low; k < window.high; ++k) w[k - window.low] = static_cast<float>(weight_of<Kernel>(k, window, scale) / sum);
  return {static_cast<int32_t>(window.low), static_cast<int32_t>(window.high - window.low)};
}
EOSIN_HOST_DEVICE inline Taps fill_taps(Filter filter, int i, int n, int m, float* w) {
  switch (filter) {
    case Filter::kBilinear:
      return fill_taps<Bilinear>(i, n, m, w);
    case Filter::kBicubic:
      return fill_taps<Bicubic>(i, n, m, w);
    default:
      return fill_taps<Lanczos>(i, n, m, w);
  }
}

template <class Team>
EOSIN_HOST_DEVICE inline void resize_crop(const Team& team, const ViewRecipe& recipe, const ViewRecord& record, const Crop& crop) {
  const int size = recipe.size_px, width = record.width;
  team.each(2 * size, [&](int i) {
    const bool column = i >= size;
    const int at = column ? i - size : i;
    const bool flipped = record.has(column ? kFlipX : kFlipY);
    crop.taps[i] = fill_taps(recipe.filter, flipped ? size - 1 - at : at, column ? width : record.height, size, crop.weights + i * crop.max_taps);
  });
  for (int c = 0; c < 3; ++c) {
    team.each(size * width, [&](int i) {
      const int y = i / width, x = i - y * width, stride = 3 * crop.tile_width;
      const Taps taps = crop.taps[y];
      const float* w = crop.weights + y * crop.max_taps;
      const uint8_t* from = crop.tile + (record.top + taps.first) * stride + 3 * (record.left + x) + c;
      float sum = 0;
      for (int k = 0; k < taps.count; ++k) sum += w[k] * (static_cast<float>(from[k * stride]) * (1 / 255.0f));
      crop.spare[i] = sum;
    });
    float* plane = crop.planes + c * size * size;
    team.each(size * size, [&](int i) {
      const int y = i / size, x = i - y * size;
      const Taps taps = crop.taps[size + x];
      const float* w = crop.weights + (size + x) * crop.max_taps;
      const float* from = crop.spare + y * width + taps.first;
      float sum = 0;
      for (int k = 0; k < taps.count; ++k) sum += w[k] * from[k];
      plane[record.has(kTranspose) ? x * size + y : i] = sum;
    });
  }
}

// ------------------------------------------------------------------------------------------------ colour
EOSIN_HOST_DEVICE inline Rgb<float> times(const Rgb<float>& v, const float (&m)[3][3]) {
  return {v.r * m[0][0] + v.g * m[1][0] + v.b * m[2][0], v.r * m[0][1] + v.g * m[1][1] + v.b * m[2][1],
          v.r * m[0][2] + v.g * m[1][2] + v.b * m[2][2]};
}

/// Amounts of the stains times alpha plus beta (Tellez et al. 2018, arXiv:1808.07262).
EOSIN_HOST_DEVICE inline Rgb<float> hed_jittered(const Rgb<float>& p, const ViewRecipe& recipe, const ViewRecord& record) {
  const auto log_of = [](float v) { return std::log(greater(v, 1e-6f)); };
  const Rgb<float> hed = times({log_of(p.r), log_of(p.g), log_of(p.b)}, recipe.hed_of_log);
  const auto amount = [&](float v, int s) { return greater(v, 0.0f) * record.hed_alpha[s] + record.hed_beta[s]; };
  const Rgb<float> log_rgb = times({amount(hed.r, 0), amount(hed.g, 1), amount(hed.b, 2)}, recipe.log_of_hed);
  const auto exp_of = [](float v) { return std::exp(lesser(v, 0.0f)); };
  return {exp_of(log_rgb.r), exp_of(log_rgb.g), exp_of(log_rgb.b)};
}

EOSIN_HOST_DEVICE inline Rgb<float> jittered(const Rgb<float>& p, int op, float factor, float mean_grey) {
  switch (op) {
    case 0:
      return blend(p, factor, 0.0f);
    case 1:
      return blend(p, factor, mean_grey);
    case 2:
      return blend(p, factor, grey(p));
    default:
      return turn_hue(p, factor);
  }
}

/// The colour ops of one crop, cut in two before contrast, whose mean is that of the picture as the ops before have left it.
struct Colour {
  const ViewRecipe& recipe;
  const ViewRecord& record;
  int contrast = 0;
  float mean_grey = 0;

  EOSIN_HOST_DEVICE Colour(const ViewRecipe& all, const ViewRecord& one) : recipe(all), record(one) {
    while (contrast < 3 && record.op(contrast) != 1) ++contrast;
  }
  EOSIN_HOST_DEVICE Rgb<float> before(Rgb<float> p) const {
    if (record.has(kHed)) p = hed_jittered(p, recipe, record);
    p = clamped(p);  // bicubic overshoots
    if (!record.has(kJitter)) return p;
    for (int k = 0; k < contrast; ++k) p = jittered(p, record.op(k), record.factors[record.op(k)], 0);
    return p;
  }
  EOSIN_HOST_DEVICE Rgb<float> after(Rgb<float> p) const {
    if (record.has(kJitter))
      for (int k = contrast; k < 4; ++k) p = jittered(p, record.op(k), record.factors[record.op(k)], mean_grey);
    return record.has(kGray) ? greyed(p) : p;
  }
  EOSIN_HOST_DEVICE Rgb<float> finished(Rgb<float> p) const {
    if (record.has(kSolarize)) p = solarized(p, recipe.solarize_threshold);
    return normalized(p, recipe.scale, recipe.offset);
  }
};

// ------------------------------------------------------------------------------------------------ blur
inline constexpr int kGaussianReach = 4;

/// Symmetric weights: at(i) of the pixels at distance i <= reach.
struct HalfKernel {
  bool box;
  int reach;
  float gaussian[kGaussianReach + 1];
  float inner, edge;  // of the box

  EOSIN_HOST_DEVICE HalfKernel(bool is_box, float sigma) : box(is_box), reach(kGaussianReach), gaussian{}, inner(0), edge(0) {
    if (box) {
      const float radius = extended_radius(sigma);
      reach = static_cast<int>(radius) + 1;
      inner = 1 / (2 * radius + 1);
      edge = (radius - static_cast<float>(reach - 1)) * inner;
      return;
    }
    double w[kGaussianReach + 1], sum = 0;
    for (int i = 0; i <= kGaussianReach; ++i) {
      w[i] = gaussian_weight(i, sigma);
      sum += i == 0 ? w[i] : 2 * w[i];
    }
    for (int i = 0; i <= kGaussianReach; ++i) gaussian[i] = static_cast<float>(w[i] / sum);
  }
  EOSIN_HOST_DEVICE float at(int i) const { return box ? (i < reach ? inner : edge) : gaussian[i]; }
};

/// Pixel i of n on a line of pixels `step` apart.
EOSIN_HOST_DEVICE inline float blurred(const float* line, int i, int n, int step, const HalfKernel& half) {
  const Border border = half.box ? Border::kReplicate : Border::kReflect;
  const auto pixel = [&](int k) { return line[bordered(k, n, border) * step]; };
  float sum = half.at(0) * pixel(i);
  for (int k = 1; k <= half.reach; ++k) sum += half.at(k) * (pixel(i - k) + pixel(i + k));
  return sum;
}

template <class Team>
EOSIN_HOST_DEVICE inline void blur_crop(const Team& team, const ViewRecipe& recipe, const ViewRecord& record, const Crop& crop) {
  const int size = recipe.size_px;
  const HalfKernel half(recipe.box_blur, record.sigma);
  for (int pass = 0; pass < (half.box ? 3 : 1); ++pass)
    for (int c = 0; c < 3; ++c) {
      float* plane = crop.planes + c * size * size;
      team.each(size * size, [&](int i) { crop.spare[i] = blurred(plane + i / size * size, i % size, size, 1, half); });
      team.each(size * size, [&](int i) { plane[i] = blurred(crop.spare + i % size, i / size, size, size, half); });
    }
}

// ------------------------------------------------------------------------------------------------ the whole crop
EOSIN_HOST_DEVICE inline void store(float* out, float v) { *out = v; }
/// The bits of bfloat16, rounded to nearest, ties to even; v is finite.
EOSIN_HOST_DEVICE inline void store(uint16_t* out, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  *out = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Crop and resize, flip, HED jitter, colour jitter, grey, blur, solarize, normalise: data::render_fast in the same order and arithmetic,
/// up to the order of sums and the rounding of log and exp. `out` is [3, size, size].
template <class Team, class Out>
EOSIN_HOST_DEVICE inline void render_crop(const Team& team, const ViewRecipe& recipe, const ViewRecord& record, const Crop& crop, Out* out) {
  const int n = recipe.size_px * recipe.size_px;
  const auto load = [&](int i) { return Rgb<float>{crop.planes[i], crop.planes[n + i], crop.planes[2 * n + i]}; };
  const auto keep = [&](int i, const Rgb<float>& p) { crop.planes[i] = p.r, crop.planes[n + i] = p.g, crop.planes[2 * n + i] = p.b; };
  const auto finish = [&](int i, const Rgb<float>& p) { store(out + i, p.r), store(out + n + i, p.g), store(out + 2 * n + i, p.b); };

  resize_crop(team, recipe, record, crop);
  Colour colour(recipe, record);
  if (record.has(kJitter)) {
    const double sum = team.sum(n, [&](int i) {
      const Rgb<float> p = colour.before(load(i));
      keep(i, p);
      return grey(p);
    });
    colour.mean_grey = static_cast<float>(sum / n);
  } else {
    team.each(n, [&](int i) { keep(i, colour.before(load(i))); });
  }
  if (!record.has(kBlur)) return team.each(n, [&](int i) { finish(i, colour.finished(colour.after(load(i)))); });
  team.each(n, [&](int i) { keep(i, colour.after(load(i))); });
  blur_crop(team, recipe, record, crop);
  team.each(n, [&](int i) { finish(i, colour.finished(load(i))); });
}

}  // namespace eosin::kernels
