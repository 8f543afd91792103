#pragma once
// Where a random resized crop is cut.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"

namespace eosin::data {

/// Share of the picture's area, and width over height.
struct CropRule {
  std::array<double, 2> scale = {0.08, 1.0};
  std::array<double, 2> ratio = {3.0 / 4.0, 4.0 / 3.0};
};

/// Draws a box needs: ten tries of two, then its place.
inline constexpr size_t kBoxDraws = 22;

/// A random box from uniform draws in [0, 1) (torchvision's RandomResizedCrop); after ten failures the largest central box whose
/// ratio is allowed. Sizes are rounded half to even.
///
/// Checked  golden data.multi_crop_params.
Box random_box(int64_t height, int64_t width, const CropRule& rule, std::span<const double, kBoxDraws> u);

/// Boxes of one tile, globals first; row k of `u` belongs to box k.
std::vector<Box> multi_crop_boxes(int64_t height, int64_t width, const CropRule& global, int64_t n_global, const CropRule& local, int64_t n_local,
                                  std::span<const double> u);

}  // namespace eosin::data
