#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

struct KoLeo {
  Tensor loss;      // scalar
  Tensor left_out;  // how many pairs were nearer than min_distance, a scalar
};

/// Kozachenko-Leonenko regulariser (Sablayrolles et al. 2019, arXiv:1806.03198; DINOv2): -mean log(|z_i - z_j + 1e-8| + 1e-8) over the
/// `topk` nearest neighbours j of every i, z the rows on the unit sphere. Small when the rows spread over it. In float32 at least.
///
/// Pairs nearer than `min_distance` are left out of the mean: exact duplicates (blank tiles) would give about +15 and a huge gradient.
///
/// Shapes   x_BD.
/// Errors   Shape if there are not more rows than topk.
/// Differs  a row is kept from being its own neighbour by a dot product of -2, not -1, which opposite rows have too.
/// Checked  golden ssl.koleo; tests/ssl/test_koleo.cpp.
KoLeo koleo(const Tensor& x_BD, int64_t topk = 1, double min_distance = 0);

}  // namespace eosin::ssl
