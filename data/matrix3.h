#pragma once
// The linear algebra of three colour channels, in double.
#include <array>
#include <cstddef>

namespace eosin::data {

using Triple = std::array<double, 3>;
using Matrix3 = std::array<Triple, 3>;  // of rows

inline double dot(const Triple& a, const Triple& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double length(const Triple& v);
Triple cross(const Triple& a, const Triple& b);
/// v / |v|.
Triple unit(const Triple& v);

/// Of a matrix with full rank.
Matrix3 inverse(const Matrix3& m);

/// Eigenvalues in ascending order; vectors[i] has unit length and belongs to values[i]. Its sign is not fixed.
struct Eigen3 {
  Triple values;
  std::array<Triple, 3> vectors;
};
/// Of a symmetric matrix, by Jacobi's rotations: the same bits on every machine.
/// Checked  tests/data/test_stain.cpp.
Eigen3 symmetric_eigen(Matrix3 m);

}  // namespace eosin::data
