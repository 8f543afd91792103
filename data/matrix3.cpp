#include "data/matrix3.h"

#include <algorithm>
#include <cmath>

namespace eosin::data {
namespace {

constexpr int kSweeps = 32;  // a handful suffices: convergence is quadratic

/// Makes m[p][q] zero; `v` gathers the rotations in its columns (Golub and Van Loan, Matrix Computations, 8.5.2).
void rotate(Matrix3& m, Matrix3& v, size_t p, size_t q) {
  if (m[p][q] == 0) return;
  const double tau = (m[q][q] - m[p][p]) / (2 * m[p][q]);
  const double t = (tau >= 0 ? 1.0 : -1.0) / (std::abs(tau) + std::sqrt(1 + tau * tau));
  const double c = 1 / std::sqrt(1 + t * t), s = t * c;
  for (size_t k = 0; k < 3; ++k) {
    const double a = m[k][p], b = m[k][q];
    m[k][p] = c * a - s * b, m[k][q] = s * a + c * b;
  }
  for (size_t k = 0; k < 3; ++k) {
    const double a = m[p][k], b = m[q][k];
    m[p][k] = c * a - s * b, m[q][k] = s * a + c * b;
  }
  m[p][q] = m[q][p] = 0;
  for (size_t k = 0; k < 3; ++k) {
    const double a = v[k][p], b = v[k][q];
    v[k][p] = c * a - s * b, v[k][q] = s * a + c * b;
  }
}

}  // namespace

double length(const Triple& v) { return std::sqrt(dot(v, v)); }

Triple cross(const Triple& a, const Triple& b) { return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]}; }

Triple unit(const Triple& v) {
  const double n = length(v);
  return {v[0] / n, v[1] / n, v[2] / n};
}

Matrix3 inverse(const Matrix3& m) {
  Matrix3 out;
  for (size_t r = 0; r < 3; ++r) {
    const Triple cofactors = cross(m[(r + 1) % 3], m[(r + 2) % 3]);
    for (size_t c = 0; c < 3; ++c) out[c][r] = cofactors[c];
  }
  const double det = m[0][0] * out[0][0] + m[0][1] * out[1][0] + m[0][2] * out[2][0];
  for (Triple& row : out)
    for (double& x : row) x /= det;
  return out;
}

Eigen3 symmetric_eigen(Matrix3 m) {
  Matrix3 v = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    if (m[0][1] == 0 && m[0][2] == 0 && m[1][2] == 0) break;
    rotate(m, v, 0, 1), rotate(m, v, 0, 2), rotate(m, v, 1, 2);
  }
  std::array<size_t, 3> order = {0, 1, 2};
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return m[a][a] < m[b][b]; });
  Eigen3 e;
  for (size_t i = 0; i < 3; ++i) {
    e.values[i] = m[order[i]][order[i]];
    for (size_t k = 0; k < 3; ++k) e.vectors[i][k] = v[k][order[i]];
  }
  return e;
}

}  // namespace eosin::data
