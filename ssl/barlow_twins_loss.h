#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230, eq. 1): c is the correlation between the columns of the two views, each
/// standardised over the batch; sum_i (c_ii - 1)^2 + lambda * sum_{i != j} c_ij^2.
///
/// Shapes   z0_BD, z1_BD; returns a scalar.
/// Errors   Shape if they differ in shape or there are fewer than two rows.
/// Checked  golden ssl.barlow_twins; tests/ssl/test_barlow_twins.cpp: gradcheck, scale and shift of a column do not matter.
Tensor barlow_twins_loss(const Tensor& z0_BD, const Tensor& z1_BD, double lambda);

}  // namespace eosin::ssl
