#pragma once
// Two blurs that go by the same name: Pillow's (three extended box passes) and the sampled Gaussian kernel of torchvision.
#include <vector>

#include "data/image.h"

namespace eosin::data {

/// Pillow's GaussianBlur: three box passes of a fractional radius along rows, then three along columns; edges replicated; u8 after
/// each pass.
///
/// Errors   Config if the radius is negative or not finite.
/// Checked  golden data.gaussian_blur (u8_box), exact.
void box_blur(Image& image, double radius);

/// Sampled Gaussian of `kernel` taps (odd) on planes: reflecting border without repeating the edge.
///
/// Errors   Config if the kernel is even or sigma not positive.
/// Differs  a picture smaller than the kernel's half is reflected again, where torch refuses.
/// Checked  golden data.gaussian_blur (f32).
void kernel_blur(Planes image, int64_t kernel, double sigma);
/// The same on u8, rounded.
/// Checked  golden data.gaussian_blur (u8_kernel).
void kernel_blur(Image& image, int64_t kernel, double sigma);

/// The float form of box_blur: no rounding between the passes.
/// Checked  tests/data/test_picture_ops.cpp against box_blur.
void box_blur(Planes image, double radius);

}  // namespace eosin::data
