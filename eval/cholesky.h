#pragma once
// Small symmetric positive-definite systems, in float64.
#include "eval/matrix.h"

#include <optional>
#include <span>
#include <vector>

namespace eosin::eval {

/// A = L L^T.
class Cholesky {
 public:
  /// Absent if `a` is not positive definite to rounding (a pivot below 1e-12 of its diagonal).
  static std::optional<Cholesky> of(const Matrix& a);
  std::vector<double> solve(std::span<const double> b) const;
  Matrix inverse() const;

 private:
  explicit Cholesky(Matrix lower) : lower_(std::move(lower)) {}
  Matrix lower_;
};

}  // namespace eosin::eval
