#include "ssl/barlow_twins_loss.h"

#include "core/tensor/precision.h"
#include "ssl/same_shape.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr double kEps = 1e-5;

Tensor standardised(const Tensor& z_BD) {
  const Tensor centred = z_BD - z_BD.mean(0);
  return centred * (centred.square().mean(0) + kEps).rsqrt();
}

}  // namespace

Tensor barlow_twins_loss(const Tensor& z0_BD, const Tensor& z1_BD, double lambda) {
  check_same_matrix("barlow_twins", z0_BD, z1_BD);
  const int64_t batch = z0_BD.size(0);
  EOSIN_CHECK(batch > 1, Shape, "[barlow_twins] correlations over {} row (need at least 2)", batch);
  const FullPrecision full;
  const Tensor c_DD = standardised(at_least_float(z0_BD)).t().mm(standardised(at_least_float(z1_BD))) / static_cast<double>(batch);
  const Tensor diagonal = c_DD.diagonal();
  return (diagonal - 1).square().sum() + lambda * (c_DD.square().sum() - diagonal.square().sum());
}

}  // namespace eosin::ssl
