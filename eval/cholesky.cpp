#include "eval/cholesky.h"

#include <cmath>

namespace eosin::eval {

std::optional<Cholesky> Cholesky::of(const Matrix& a) {
  Matrix l(a.rows, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double sum = a(i, j);
      for (int64_t k = 0; k < j; ++k) sum -= l(i, k) * l(j, k);
      if (i != j) {
        l(i, j) = sum / l(j, j);
        continue;
      }
      if (!(sum > 1e-12 * a(i, i))) return std::nullopt;
      l(i, i) = std::sqrt(sum);
    }
  return Cholesky(std::move(l));
}

std::vector<double> Cholesky::solve(std::span<const double> b) const {
  std::vector<double> x(b.begin(), b.end());
  const int64_t n = lower_.rows;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < i; ++k) x[i] -= lower_(i, k) * x[k];
    x[i] /= lower_(i, i);
  }
  for (int64_t i = n; i-- > 0;) {
    for (int64_t k = i + 1; k < n; ++k) x[i] -= lower_(k, i) * x[k];
    x[i] /= lower_(i, i);
  }
  return x;
}

Matrix Cholesky::inverse() const {
  const int64_t n = lower_.rows;
  Matrix inverse(n, n);
  std::vector<double> unit(static_cast<size_t>(n));
  for (int64_t j = 0; j < n; ++j) {
    unit[j] = 1;
    const auto column = solve(unit);
    unit[j] = 0;
    for (int64_t i = 0; i < n; ++i) inverse(i, j) = column[i];
  }
  return inverse;
}

}  // namespace eosin::eval
