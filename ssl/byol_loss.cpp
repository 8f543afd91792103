#include "ssl/byol_loss.h"

#include "core/tensor/precision.h"
#include "ssl/same_shape.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

Tensor direction(const Tensor& p_BD, const Tensor& target_BD) {
  check_same_matrix("byol", p_BD, target_BD);
  return 2 - 2 * at::cosine_similarity(at_least_float(p_BD), at_least_float(target_BD.detach()), -1, 1e-8).mean();
}

}  // namespace

Tensor byol_loss(const Tensor& p0_BD, const Tensor& p1_BD, const Tensor& target0_BD, const Tensor& target1_BD) {
  const FullPrecision full;
  return direction(p0_BD, target1_BD) + direction(p1_BD, target0_BD);
}

}  // namespace eosin::ssl
