#include "eval/cka.h"

#include "core/base/error.h"
#include "eval/matrix.h"
#include "eval/product.h"
#include "eval/rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.cka";
constexpr int64_t kBlock = 1024;

double squares(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x * x;
  return sum;
}

double product(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double sum_of(const std::vector<double>& v) {
  double sum = 0;
  for (double x : v) sum += x;
  return sum;
}

/// |X^T Y|^2 of centred rows: <X X^T, Y Y^T>.
double gram_product(const RowReader& x, const RowReader& y) {
  std::vector<double> cross(static_cast<size_t>(x.dim() * y.dim()));
  for (int64_t begin = 0; begin < x.rows(); begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, x.rows());
    const Tensor a = x.read(begin, end), b = y.read(begin, end);
    multiply_add(x.dim(), y.dim(), end - begin, {a.const_data_ptr<double>(), 1, x.dim()}, {b.const_data_ptr<double>(), y.dim(), 1}, cross.data(),
                 y.dim());
  }
  return squares(cross);
}

/// Squared lengths of the centred rows: the diagonal of the Gram matrix. Rows of a centred Gram matrix sum to 0, so that without its
/// diagonal they sum to minus it.
std::vector<double> diagonal(const RowReader& x) {
  std::vector<double> d;
  for (int64_t begin = 0; begin < x.rows(); begin += kBlock) {
    const Tensor block = x.read(begin, std::min(begin + kBlock, x.rows()));
    const double* row = block.const_data_ptr<double>();
    for (int64_t i = 0; i < block.size(0); ++i, row += x.dim()) d.push_back(squares({row, row + x.dim()}));
  }
  return d;
}

/// <K', L'> of U-centred Gram matrices: sum of K L off the diagonal, corrected by their row sums.
double unbiased(double gram, const std::vector<double>& k, const std::vector<double>& l) {
  const double n = static_cast<double>(k.size());
  const double rows = product(k, l);
  return (gram - rows) + sum_of(k) * sum_of(l) / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows;
}

}  // namespace

double linear_cka(const Tensor& x_NE, const Tensor& y_NF, bool debiased) {
  const RowReader checked_x(x_NE, {}, kWhere), checked_y(y_NF, {}, kWhere);
  EOSIN_CHECK(checked_x.rows() == checked_y.rows(), Data, "[{}] the representations differ in number of rows (got {} and {})", kWhere,
              checked_x.rows(), checked_y.rows());
  EOSIN_CHECK(checked_x.rows() >= (debiased ? 4 : 2), Data, "[{}] too few samples (got {}, need {})", kWhere, checked_x.rows(), debiased ? 4 : 2);
  const RowReader x(x_NE, RowTransform::centered(x_NE), kWhere), y(y_NF, RowTransform::centered(y_NF), kWhere);
  double xy = gram_product(x, y), xx = gram_product(x, x), yy = gram_product(y, y);
  if (debiased) {
    const auto k = diagonal(x), l = diagonal(y);
    xy = unbiased(xy, k, l), xx = unbiased(xx, k, k), yy = unbiased(yy, l, l);
  }
  EOSIN_CHECK(xx > 0 && yy > 0, Numeric, "[{}] undefined: a representation is constant", kWhere);
  return xy / (std::sqrt(xx) * std::sqrt(yy));
}

}  // namespace eosin::eval
