#pragma once
// Pixel-wise conversions without parameters of their own: grey, solarize, normalise.
#include <array>
#include <cstdint>

#include "data/image.h"

namespace eosin::data {

/// Pillow's grey of one pixel, rounded.
inline uint8_t luma(const uint8_t* rgb) { return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16); }

/// All three channels become the grey: Pillow's in u8, torchvision's (0.2989, 0.587, 0.114) in float.
/// Checked  golden data.grayscale.
void grayscale(Image& image);
void grayscale(Planes image);

/// Inverts what is not below the threshold.
/// Checked  golden data.solarize.
void solarize(Image& image, int threshold = 128);
void solarize(Planes image, float threshold = 0.5f);

using Channels = std::array<double, 3>;
inline constexpr Channels kImageNetMean = {0.485, 0.456, 0.406}, kImageNetStd = {0.229, 0.224, 0.225};

/// (x/255 - mean)/std into planes of the same size.
///
/// Errors   Shape if the sizes differ. Config if a std is not positive.
/// Checked  golden data.normalize.
void normalize(ImageView image, const Channels& mean, const Channels& std, Planes out);

/// u8 to planes with values in [0, 1].
void to_planes(ImageView image, Planes out);

}  // namespace eosin::data
