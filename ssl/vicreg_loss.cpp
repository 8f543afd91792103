#include "ssl/vicreg_loss.h"

#include "core/tensor/precision.h"
#include "ssl/same_shape.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

Tensor spread_loss(const Tensor& z_BD, double eps) { return at::relu(1 - (z_BD.var(0, true) + eps).sqrt()).mean(); }

Tensor covariance_loss(const Tensor& z_BD) {
  const Tensor centred = z_BD - z_BD.mean(0);
  const Tensor cov_DD = centred.t().mm(centred) / static_cast<double>(z_BD.size(0) - 1);
  return (cov_DD.square().sum() - cov_DD.diagonal().square().sum()) / static_cast<double>(z_BD.size(1));
}

}  // namespace

VicregTerms vicreg_loss(const Tensor& z0_BD, const Tensor& z1_BD, const VicregWeights& weights) {
  check_same_matrix("vicreg", z0_BD, z1_BD);
  EOSIN_CHECK(z0_BD.size(0) > 1, Shape, "[vicreg] variances over {} row (need at least 2)", z0_BD.size(0));
  const FullPrecision full;
  const Tensor a = at_least_float(z0_BD), b = at_least_float(z1_BD);
  return {weights.invariance * (a - b).square().mean(), weights.variance * 0.5 * (spread_loss(a, weights.eps) + spread_loss(b, weights.eps)),
          weights.covariance * (covariance_loss(a) + covariance_loss(b))};
}

}  // namespace eosin::ssl
