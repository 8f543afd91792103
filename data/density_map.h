#pragma once
// Colour changes that are linear in optical density: the way from a pixel to stains, a change of their amounts, and back.
#include <array>

#include "data/image.h"
#include "data/matrix3.h"

namespace eosin::data {

/// density' = matrix * density + shift, where density = -ln((v + 1) / io) and v' = min(255, io * exp(-density')).
struct DensityMap {
  double io = 240;
  Matrix3 matrix = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  Triple shift = {0, 0, 0};
};

/// The density of every grey level.
std::array<double, 256> density_table(double io);

/// Values are cut to integers, as the originals do.
/// Checked  golden data.macenko, data.macenko_augment.
void apply(const DensityMap& map, ImageView in, Image& out);

/// On planes with values in [0, 1], in place and without rounding.
/// Checked  tests/data/test_stain.cpp against the u8 form.
void apply(const DensityMap& map, Planes image);

}  // namespace eosin::data
