#pragma once
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// BYOL's loss (Grill et al. 2020, arXiv:2006.07733, eq. 2) in both directions: mean(2 - 2 cos(p0, t1)) + mean(2 - 2 cos(p1, t0)).
///
/// Shapes   predictions and targets [B, D]; targets carry no gradient; returns a scalar.
/// Errors   Shape if they differ in shape.
/// Checked  golden ssl.byol; tests/ssl/test_byol.cpp: gradcheck, the lengths of the rows do not matter.
Tensor byol_loss(const Tensor& p0_BD, const Tensor& p1_BD, const Tensor& target0_BD, const Tensor& target1_BD);

}  // namespace eosin::ssl
