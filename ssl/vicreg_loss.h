#pragma once
#include "core/tensor/tensor.h"

#include <ATen/TensorOperators.h>

namespace eosin::ssl {

struct VicregWeights {
  double invariance = 25, variance = 25, covariance = 1, eps = 1e-4;
};

/// The three weighted terms of VICReg; they add up to the loss.
struct VicregTerms {
  Tensor invariance, variance, covariance;
  Tensor total() const { return invariance + variance + covariance; }
};

/// VICReg (Bardes et al. 2022, arXiv:2105.04906, eq. 6): invariance * mean((z0 - z1)^2)
/// + variance * 1/2 sum over both views of mean_d relu(1 - sqrt(var_d + eps)) + covariance * sum over both of (1/D) sum_{i != j} cov_ij^2,
/// with unbiased variances and covariances.
///
/// Shapes   z0_BD, z1_BD; terms are scalars.
/// Errors   Shape if they differ in shape or there are fewer than two rows.
/// Checked  golden ssl.vicreg; tests/ssl/test_vicreg.cpp: gradcheck, a batch with no term left.
VicregTerms vicreg_loss(const Tensor& z0_BD, const Tensor& z1_BD, const VicregWeights& weights);

}  // namespace eosin::ssl
