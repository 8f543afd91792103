#pragma once
// Row-major float64 tables of numbers (scores, probabilities, coefficients) for the parts of eval/ that need no tensors.
#include <cstdint>
#include <span>
#include <vector>

namespace eosin::eval {

struct MatrixView {
  const double* data = nullptr;
  int64_t rows = 0, cols = 0;
  std::span<const double> row(int64_t i) const { return {data + i * cols, static_cast<size_t>(cols)}; }
  std::span<const double> all() const { return {data, static_cast<size_t>(rows * cols)}; }
  double operator()(int64_t i, int64_t j) const { return data[i * cols + j]; }
};

struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t r, int64_t c, double fill = 0) : rows(r), cols(c), values(static_cast<size_t>(r * c), fill) {}
  double& operator()(int64_t i, int64_t j) { return values[static_cast<size_t>(i * cols + j)]; }
  double operator()(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * cols + j)]; }
  std::span<double> row(int64_t i) { return {values.data() + i * cols, static_cast<size_t>(cols)}; }
  std::span<const double> row(int64_t i) const { return {values.data() + i * cols, static_cast<size_t>(cols)}; }
  operator MatrixView() const { return {values.data(), rows, cols}; }
};

/// Position of the largest element, the first among equals.
inline int64_t argmax(std::span<const double> v) {
  size_t best = 0;
  for (size_t i = 1; i < v.size(); ++i)
    if (v[i] > v[best]) best = i;
  return static_cast<int64_t>(best);
}

/// argmax of every row: the prediction of a table of scores.
inline std::vector<int64_t> argmax_rows(MatrixView m) {
  std::vector<int64_t> best;
  for (int64_t i = 0; i < m.rows; ++i) best.push_back(argmax(m.row(i)));
  return best;
}

}  // namespace eosin::eval
