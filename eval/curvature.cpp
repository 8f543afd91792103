#include "eval/curvature.h"

#include "core/base/error.h"
#include "eval/one_thread.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace eosin::eval {
namespace {

constexpr const char* kTrace = "eval.hutchinson_trace";
constexpr const char* kLanczos = "eval.lanczos";

double finite(const char* where, double v) {
  EOSIN_CHECK(std::isfinite(v), Numeric, "[{}] a product with the matrix is not finite (got {})", where, v);
  return v;
}

/// Eigenvalues and squared first components of the tridiagonal matrix.
void quadrature(LanczosSpectrum& s) {
  const auto m = static_cast<int64_t>(s.alpha.size());
  Tensor t = at::diag(at::tensor(s.alpha, at::kDouble));
  if (m > 1) t = t + at::diag(at::tensor(s.beta, at::kDouble), 1) + at::diag(at::tensor(s.beta, at::kDouble), -1);
  const auto [node, axes] = at::linalg_eigh(t);
  for (int64_t i = 0; i < m; ++i) {
    s.node.push_back(node[i].item<double>());
    s.weight.push_back(std::pow(axes[0][i].item<double>(), 2));
  }
}

}  // namespace

HutchinsonTrace hutchinson_trace(const SymmetricOperator& times, const Tensor& vector_KD) {
  EOSIN_CHECK(vector_KD.dim() == 2, Shape, "[{}] vectors need two dimensions (got {})", kTrace, vector_KD.dim());
  const int64_t k = vector_KD.size(0);
  EOSIN_CHECK(k > 1 && vector_KD.size(1) > 0, Data, "[{}] too few samples (got {} vectors of length {}, need 2 of 1)", kTrace, k, vector_KD.size(1));
  EOSIN_CHECK(vector_KD.abs().eq(1).all().item<bool>(), Data, "[{}] vectors must hold +1 and -1 only", kTrace);
  HutchinsonTrace r;
  r.diagonal_D = at::zeros_like(vector_KD[0]);
  std::vector<double> sample;
  for (int64_t i = 0; i < k; ++i) {
    const Tensor product = vector_KD[i] * times(vector_KD[i]);
    r.diagonal_D += product / static_cast<double>(k);
    sample.push_back(finite(kTrace, product.sum().item<double>()));
    r.estimate += sample.back() / static_cast<double>(k);
  }
  double square = 0;
  for (double s : sample) square += (s - r.estimate) * (s - r.estimate);
  r.standard_error = std::sqrt(square / static_cast<double>(k - 1) / static_cast<double>(k));
  return r;
}

LanczosSpectrum lanczos(const SymmetricOperator& times, const Tensor& start_D, int64_t steps) {
  EOSIN_CHECK(start_D.dim() == 1, Shape, "[{}] the start needs one dimension (got {})", kLanczos, start_D.dim());
  EOSIN_CHECK(steps >= 1 && steps <= start_D.size(0), Config, "[{}] steps outside 1 ... {} (got {})", kLanczos, start_D.size(0), steps);
  const double length = start_D.norm().item<double>();
  EOSIN_CHECK(std::abs(length - 1) <= 1e-6, Data, "[{}] the start must have unit length (got {})", kLanczos, length);
  const OneThread guard;
  LanczosSpectrum s;
  std::vector<Tensor> basis = {start_D / length};
  double scale = 0;
  while (true) {
    Tensor w = times(basis.back());
    scale = std::max(scale, finite(kLanczos, w.norm().item<double>()));
    s.alpha.push_back(basis.back().dot(w).item<double>());
    if (static_cast<int64_t>(s.alpha.size()) == steps) break;
    for (int pass = 0; pass < 2; ++pass)
      for (const Tensor& q : basis) w = w - q.dot(w) * q;
    const double beta = w.norm().item<double>();
    if (beta <= 1e-12 * scale) break;  // the subspace is invariant: no other eigenvalue is seen from this start
    s.beta.push_back(beta);
    basis.push_back(w / beta);
  }
  quadrature(s);
  return s;
}

std::vector<double> LanczosSpectrum::density(std::span<const double> grid, double sigma) const {
  EOSIN_CHECK(sigma > 0, Config, "[{}] sigma must be positive (got {})", kLanczos, sigma);
  std::vector<double> d;
  for (double x : grid) {
    double sum = 0;
    for (size_t i = 0; i < node.size(); ++i) sum += weight[i] * std::exp(-0.5 * std::pow((x - node[i]) / sigma, 2));
    d.push_back(sum / (sigma * std::sqrt(2 * std::numbers::pi)));
  }
  return d;
}

}  // namespace eosin::eval
