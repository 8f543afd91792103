#pragma once
// Brightness, contrast, saturation and hue in a drawn order.
#include <array>

#include "data/image.h"
#include "data/pixel_chain.h"

namespace eosin::data {

/// The drawn parameters of one picture. Ops 0 brightness, 1 contrast, 2 saturation, 3 hue; factor 1 (hue: 0) changes nothing.
struct ColorJitter {
  std::array<int, 4> order = {0, 1, 2, 3};
  std::array<double, 4> factors = {1, 1, 1, 0};  // by op, not by place in the order; hue is a share of the circle
};

/// u8 arithmetic of Pillow, each op truncated to u8 before the next. Contrast's mean is that of the picture as it then is.
///
/// Errors   Config if `order` is no permutation of 0..3, a factor is negative, or hue lies outside [-0.5, 0.5].
/// Checked  golden data.color_jitter (u8).
void color_jitter(Image& image, const ColorJitter& jitter);

/// float32 arithmetic of torchvision, clamped to [0, 1] after every op.
///
/// Errors   as above.
/// Checked  golden data.color_jitter (f32).
void color_jitter(Planes image, const ColorJitter& jitter);

/// The float form as steps of a chain, to be joined with others in one pass.
std::array<PixelStep, 4> pixel_steps(const ColorJitter& jitter);

}  // namespace eosin::data
