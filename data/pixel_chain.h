#pragma once
// Per-pixel float operations, as many as wanted in one pass over a picture. Contrast needs the mean of what the steps before it
// leave, so it alone begins a second pass.
#include <array>
#include <span>

#include "data/image.h"

namespace eosin::data {

enum class PixelOp { kClamp, kBrightness, kContrast, kSaturation, kHue, kGrayscale, kSolarize, kNormalize };

/// One step; kClamp is to [0, 1]. `factor` is the blend factor, the hue shift or the solarize threshold; `scale` and `offset` belong to kNormalize.
struct PixelStep {
  PixelOp op;
  float factor = 1;
  std::array<float, 3> scale = {1, 1, 1}, offset = {0, 0, 0};
};

/// x * (1/std) + (-mean/std).
PixelStep normalize_step(const std::array<double, 3>& mean, const std::array<double, 3>& std);

/// Applies the steps in order, in place.
/// Checked  golden data.color_jitter, data.grayscale, data.solarize (f32).
void apply_chain(Planes image, std::span<const PixelStep> steps);

}  // namespace eosin::data
