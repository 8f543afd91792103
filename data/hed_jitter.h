#pragma once
// Stain augmentation in haematoxylin-eosin-DAB space (Tellez et al. 2018, arXiv:1808.07262).
#include <array>
#include <vector>

#include "data/image.h"

namespace eosin::data {

/// Each stain's amount becomes amount * alpha + beta.
struct HedJitter {
  std::array<double, 3> alpha = {1, 1, 1}, beta = {0, 0, 0};
};

/// Amounts of the three stains, [H, W, 3], never negative: skimage's matrix, rows not normalised, in double.
/// Checked  golden data.hed_jitter.
std::vector<float> rgb_to_hed(ImageView image);

/// The jittered picture, [H, W, 3] with values in [0, 1], computed in double.
/// Checked  golden data.hed_jitter.
std::vector<float> hed_jitter(ImageView image, const HedJitter& jitter);

/// The same on planes in place, in float.
/// Checked  tests/data/test_picture_ops.cpp against the double form.
void hed_jitter(Planes image, const HedJitter& jitter);

/// The matrices of the float form, rows times matrix: natural logarithms of R, G, B to amounts, and back.
struct HedMatrices {
  float hed_of_log[3][3], log_of_hed[3][3];
};
const HedMatrices& hed_matrices();

/// Planes R, G, B to amounts of the three stains and back, in place, in float.
/// Checked  golden data.randstainna.
void rgb_to_hed(Planes image);
void hed_to_rgb(Planes image);

}  // namespace eosin::data
