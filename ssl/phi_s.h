#pragma once
// PHI-S (Ranzinger et al. 2024, arXiv:2410.01680): one rotation and one scale for all features of a teacher, after which every
// dimension has unit variance. Teachers of different scales then weigh alike, and distances keep their proportions.
#include "core/tensor/tensor.h"

#include <cstdint>

namespace eosin::ssl {

/// The Hadamard matrix of that order, entries +-1, float64: Sylvester's for powers of two; else the product of the largest Sylvester matrix
/// and a Paley matrix (type I: prime q = 3 mod 4, order q + 1) that make up the order.
///
/// Errors   Config naming the nearest orders that have one.
/// Checked  golden ssl.phi_s; tests/ssl/test_phi_s.cpp: H H^T = n I.
Tensor hadamard(int64_t order);

/// y = (x - mean) transform^T.
struct PhiS {
  Tensor mean_D, transform_DD;  // float64
  /// In the type of x.
  Tensor apply(const Tensor& x_ND) const;
};

/// From samples of a teacher's features, in float64: transform = H U^T / sqrt(mean eigenvalue), with U the eigenvectors of their covariance
/// (ascending, the signs LAPACK's) and H the Hadamard matrix over sqrt(D). The more samples the better: at least 10 D.
///
/// Errors   Config if there is no Hadamard matrix of order D; Shape if there are fewer than two samples; Data if all are equal.
/// Checked  golden ssl.phi_s; tests/ssl/test_phi_s.cpp: variances of 1, distances in proportion.
PhiS fit_phi_s(const Tensor& samples_ND);

}  // namespace eosin::ssl
