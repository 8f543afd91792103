#include "eval/ridge.h"

#include "core/base/error.h"
#include "eval/input.h"
#include "eval/one_thread.h"
#include "eval/product.h"
#include "eval/rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.ridge";
constexpr int64_t kBlock = 1024;

std::vector<double> column_means(MatrixView y) {
  std::vector<double> mean(static_cast<size_t>(y.cols));
  for (int64_t i = 0; i < y.rows; ++i)
    for (int64_t t = 0; t < y.cols; ++t) mean[t] += y(i, t);
  for (double& m : mean) m /= static_cast<double>(y.rows);
  return mean;
}

/// X^T X and X^T Y.
struct NormalEquations {
  Tensor gram_DD, moment_DT;
};
NormalEquations normal_equations(const RowReader& rows, MatrixView y, const std::vector<double>& y_mean) {
  const int64_t dim = rows.dim(), targets = y.cols;
  NormalEquations e{at::zeros({dim, dim}, at::kDouble), at::zeros({dim, targets}, at::kDouble)};
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const Tensor block = rows.read(begin, std::min(begin + kBlock, rows.rows()));
    const int64_t n = block.size(0);
    const double* x = block.const_data_ptr<double>();
    std::vector<double> centered(y.data + begin * targets, y.data + (begin + n) * targets);
    for (size_t i = 0; i < centered.size(); ++i) centered[i] -= y_mean[i % y_mean.size()];
    multiply_add(dim, dim, n, {x, 1, dim}, {x, dim, 1}, e.gram_DD.mutable_data_ptr<double>(), dim);
    multiply_add(dim, targets, n, {x, 1, dim}, {centered.data(), targets, 1}, e.moment_DT.mutable_data_ptr<double>(), targets);
  }
  return e;
}

}  // namespace

Ridge fit_ridge(const Tensor& x_ND, MatrixView y, const RidgeOptions& o) {
  const RowReader checked(x_ND, {}, kWhere);
  EOSIN_CHECK(y.cols > 0, Data, "[{}] there is no target column", kWhere);
  check_scores(kWhere, y, static_cast<size_t>(checked.rows()), y.cols);
  const RowTransform transform = o.fit_intercept ? RowTransform::centered(x_ND) : RowTransform{};
  const std::vector<double> y_mean = o.fit_intercept ? column_means(y) : std::vector<double>(static_cast<size_t>(y.cols));
  Ridge r;
  r.alpha = o.alpha.value_or(100 / static_cast<double>(checked.dim() * y.cols));
  EOSIN_CHECK(r.alpha >= 0 && std::isfinite(r.alpha), Config, "[{}] alpha must not be negative (got {})", kWhere, r.alpha);
  NormalEquations e = normal_equations(RowReader(x_ND, transform, kWhere), y, y_mean);
  e.gram_DD.diagonal().add_(r.alpha);
  const OneThread guard;
  const auto [lower, info] = at::linalg_cholesky_ex(e.gram_DD);
  EOSIN_CHECK(info.item<int32_t>() == 0, Numeric, "[{}] the equations are singular: features are collinear and alpha is {}; raise alpha", kWhere,
              r.alpha);
  const Tensor coef = at::cholesky_solve(e.moment_DT, lower).t().contiguous();
  r.coef_TD = Matrix(y.cols, checked.dim());
  std::copy_n(coef.const_data_ptr<double>(), coef.numel(), r.coef_TD.values.begin());
  r.intercept = y_mean;
  for (int64_t t = 0; t < y.cols; ++t)
    for (size_t d = 0; d < transform.center.size(); ++d) r.intercept[t] -= r.coef_TD(t, static_cast<int64_t>(d)) * transform.center[d];
  return r;
}

Matrix Ridge::predict(const Tensor& x_MD) const {
  const RowReader rows(x_MD, {}, kWhere);
  const int64_t dim = coef_TD.cols, targets = coef_TD.rows;
  EOSIN_CHECK(rows.dim() == dim, Shape, "[{}] features differ in width from those of training (got {}, need {})", kWhere, rows.dim(), dim);
  Matrix pred(rows.rows(), targets);
  for (int64_t i = 0; i < pred.rows; ++i) std::copy(intercept.begin(), intercept.end(), pred.row(i).begin());
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const Tensor block = rows.read(begin, std::min(begin + kBlock, rows.rows()));
    multiply_add(block.size(0), targets, dim, {block.const_data_ptr<double>(), dim, 1}, {coef_TD.values.data(), 1, dim}, pred.row(begin).data(),
                 targets);
  }
  return pred;
}

}  // namespace eosin::eval
