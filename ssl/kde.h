#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

struct KdeShape {
  double weight = 0.05, kappa = 5, eps = 0;
  bool include_self = false;    // a row counts in its own density
  bool normalize_count = true;  // densities are means over the terms, not sums
};

/// Kernel density regulariser: weight * mean_i log(density_i + eps), density_i = sum_j exp(kappa z_i z_j) with z the rows on the unit
/// sphere, a von Mises-Fisher kernel (Virchow2, arXiv:2408.00738; Wang and Isola 2020, arXiv:2005.10242). Small when the rows spread; finite
/// for duplicates. In float32 at least, on logarithms: no kappa overflows.
///
/// Shapes   x_BD; returns a scalar.
/// Errors   Shape if there are fewer than two rows.
/// Differs  the sign: OpenMidnight's code adds -log(density), which rewards rows that lie together.
/// Checked  golden ssl.kde; tests/ssl/test_kde.cpp.
Tensor kde(const Tensor& x_BD, const KdeShape& shape = {});

}  // namespace eosin::ssl
