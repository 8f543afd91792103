#pragma once
// One augmented view of a tile: the rule it follows, the draw of its parameters, and two ways to render it.
#include <array>
#include <cstdint>
#include <optional>

#include "data/color_jitter.h"
#include "data/crop_box.h"
#include "data/hed_jitter.h"
#include "data/orientation.h"
#include "data/resample_weights.h"
#include "data/stain_macenko.h"
#include "data/stain_randstainna.h"
#include "data/tone.h"

namespace eosin::data {

enum class Flip { kNone, kHorizontal, kHorizontalVertical, kD4 };
enum class Blur { kBox, kKernel };  // Pillow's by radius; 9x9 kernel by sigma
inline constexpr int64_t kBlurKernel = 9;

/// Order: crop and resize, flip, stain, jitter, grey, blur, solarize, normalise. Probabilities are effective ones. At most one of the three
/// stain augmentations is applied: their probabilities add up.
struct ViewRule {
  int64_t size_px = 224;
  CropRule crop;
  std::optional<int64_t> scale_of_px;  // the square of this side that crop.scale is a share of; absent: the tile
  Filter filter = Filter::kBicubic;
  Flip flip = Flip::kHorizontal;
  double hed_p = 0, hed_sigma = 0.05;
  double macenko_p = 0;
  std::array<double, 2> macenko_scale = {0.8, 1.2}, macenko_shift = {-0.2, 0.2};  // low, high
  double randstainna_p = 0;
  ColorCohort randstainna;
  double jitter_p = 0;
  std::array<double, 4> jitter = {0, 0, 0, 0};  // brightness, contrast, saturation, hue
  double gray_p = 0;
  double blur_p = 0;
  Blur blur = Blur::kKernel;
  std::array<double, 2> sigma = {0.1, 2.0};
  double solarize_p = 0;
  int64_t solarize_threshold = 128;
  Channels mean = kImageNetMean, std = kImageNetStd;
};

/// What was drawn for one view; absent = not applied.
struct ViewParams {
  Box box;
  Orientation orientation;
  std::optional<HedJitter> hed;
  std::optional<MacenkoJitter> macenko;
  std::optional<ColorStatistics> randstainna;
  std::optional<ColorJitter> jitter;
  bool gray = false;
  std::optional<double> sigma;
  bool solarize = false;
};

/// A pure function of (seed, position, view) and the tile's size; every op has its own stream, so that none shifts another's draws.
ViewParams draw_view(const ViewRule& rule, int64_t height, int64_t width, uint64_t seed, uint64_t position, uint32_t view);

/// u8 arithmetic equal to Pillow (up to 12) and torchvision, op by op.
///
/// Shapes   out is [3, size_px, size_px], normalised. `stains` are the whole tile's, for params.macenko; without them it is not applied.
/// Checked  golden data.view_pipeline.
void render_exact(ImageView tile, const ViewRule& rule, const ViewParams& params, Planes out, const StainVectors* stains = nullptr);

/// float32 without rounding between the ops; the tile as planes in [0, 1]. Works in place in `out`. RandStainNA alone goes by way of u8,
/// in which it is defined.
///
/// Differs  from render_exact by what u8 rounding costs: at most 2.5 grey levels in the mean of a view.
/// Checked  tests/data/test_views.cpp.
void render_fast(ConstPlanes tile, const ViewRule& rule, const ViewParams& params, Planes out, const StainVectors* stains = nullptr);

}  // namespace eosin::data
