#pragma once
// How many directions tell objects apart, beyond what their augmented views differ by.
#include "core/tensor/tensor.h"

namespace eosin::eval {

struct Lidar {
  double value = 0;  // exp(entropy)
  double entropy = 0, top_eigenvalue = 0;
};
/// LiDAR (Thilak et al. 2024, arXiv:2312.04000): effective rank of Sw^-1/2 Sb Sw^-1/2, Sb the scatter of the object means (n - 1) and Sw that of
/// the views about them (n (q - 1)) plus delta I. p = (lambda + eps) / sum(lambda + eps).
///
/// Shapes   x [n objects, q views, D].
/// Errors   Shape if x has not three dimensions. Data: fewer than 2 objects or views, or a value that is not finite.
/// Checked  golden eval.lidar.
Lidar lidar(const Tensor& x_NQD, double delta = 1e-4, double eps = 1e-8);

}  // namespace eosin::eval
