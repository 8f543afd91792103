#pragma once
// Trace, diagonal and spectrum of a matrix that is known by its products with vectors (a Hessian).
#include "core/tensor/tensor.h"

#include <functional>
#include <span>
#include <vector>

namespace eosin::eval {

/// v [d] -> H v [d], H symmetric; float64 for the accuracy that the golden cases have.
using SymmetricOperator = std::function<Tensor(const Tensor& v_D)>;

struct HutchinsonTrace {
  double estimate = 0;        // mean of v^T H v
  double standard_error = 0;  // sd (k - 1) / sqrt(k)
  Tensor diagonal_D;          // mean of v * H v (Bekas et al. 2007)
};
/// Trace from random signs (Hutchinson 1989).
///
/// Shapes   vector [k, d] of +-1.
/// Errors   Shape if vector has not two dimensions. Data: fewer than 2 vectors, an element that is not +-1, a product that is not finite.
/// Checked  golden eval.hutchinson_trace.
HutchinsonTrace hutchinson_trace(const SymmetricOperator& times, const Tensor& vector_KD);

/// Lanczos tridiagonalisation with full re-orthogonalisation, done twice, and its Gauss quadrature.
struct LanczosSpectrum {
  std::vector<double> alpha, beta;   // diagonal [m], off-diagonal [m - 1], positive
  std::vector<double> node, weight;  // eigenvalues ascending, squared first components
  /// sum over nodes of weight Normal(x; node, sigma) at each point.
  ///
  /// Errors   Config if sigma is not positive.
  std::vector<double> density(std::span<const double> grid, double sigma) const;
};
/// Spectral density by stochastic Lanczos quadrature (Ghorbani et al. 2019, arXiv:1901.10159): average the densities of several starts.
/// Fewer than `steps` nodes come back where the start lies in an invariant subspace.
///
/// Shapes   start [d] of unit length; steps in 1 ... d.
/// Errors   Shape, Config: start has not one dimension, steps outside 1 ... d. Data: start not of unit length (1e-6) or not finite. Numeric: a
///          product is not finite.
/// Checked  golden eval.lanczos_density.
LanczosSpectrum lanczos(const SymmetricOperator& times, const Tensor& start_D, int64_t steps);

}  // namespace eosin::eval
