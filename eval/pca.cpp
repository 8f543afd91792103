#include "eval/pca.h"

#include "core/base/error.h"
#include "eval/one_thread.h"
#include "eval/product.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.pca";

int64_t block_of(const RowReader& rows) { return std::max<int64_t>(1024, 2 * rows.dim()); }

void subtract(Tensor& block, const std::vector<double>& mean) {
  double* x = block.mutable_data_ptr<double>();
  for (int64_t i = 0; i < block.size(0); ++i)
    for (double m : mean) *x++ -= m;
}

std::vector<double> mean_of(const RowReader& rows) {
  std::vector<double> mean(static_cast<size_t>(rows.dim()));
  for (int64_t begin = 0; begin < rows.rows(); begin += block_of(rows)) {
    const Tensor block = rows.read(begin, std::min(begin + block_of(rows), rows.rows()));
    const double* x = block.const_data_ptr<double>();
    for (int64_t i = 0; i < block.size(0); ++i)
      for (double& m : mean) m += *x++;
  }
  for (double& m : mean) m /= static_cast<double>(rows.rows());
  return mean;
}

/// R of the QR decomposition of all centred rows.
Tensor triangle(const RowReader& rows, const std::vector<double>& mean) {
  Tensor r;
  for (int64_t begin = 0; begin < rows.rows(); begin += block_of(rows)) {
    Tensor block = rows.read(begin, std::min(begin + block_of(rows), rows.rows())).clone();
    subtract(block, mean);
    r = std::get<1>(at::linalg_qr(r.defined() ? at::cat({r, block}) : block, "r"));
  }
  return r;
}

}  // namespace

Pca fit_pca(const Tensor& x_ND, int64_t n_components, bool whiten, RowTransform before) {
  const RowReader rows(x_ND, before, kWhere);
  EOSIN_CHECK(rows.rows() > 1, Data, "[{}] too few samples (got {}, need 2)", kWhere, rows.rows());
  EOSIN_CHECK(n_components >= 1 && n_components <= std::min(rows.rows(), rows.dim()), Data,
              "[{}] cannot take {} components of {} rows of width {} (need 1 ... the smaller)", kWhere, n_components, rows.rows(), rows.dim());
  Pca p;
  p.before = std::move(before), p.whiten = whiten, p.mean = mean_of(rows);
  const OneThread guard;
  const auto [u, s, vh_in] = at::linalg_svd(triangle(rows, p.mean), false);
  const Tensor vh = vh_in.contiguous(), singular = s.contiguous();
  const double *v = vh.const_data_ptr<double>(), *sigma = singular.const_data_ptr<double>();
  double total = 0;
  for (int64_t i = 0; i < singular.numel(); ++i) total += sigma[i] * sigma[i];
  EOSIN_CHECK(total > 0, Numeric, "[{}] the features are constant: there is no component", kWhere);
  p.components_KD = Matrix(n_components, rows.dim());
  for (int64_t k = 0; k < n_components; ++k) {
    const double* row = v + k * rows.dim();
    const double largest = *std::max_element(row, row + rows.dim(), [](double a, double b) { return std::abs(a) < std::abs(b); });
    for (int64_t d = 0; d < rows.dim(); ++d) p.components_KD(k, d) = largest < 0 ? -row[d] : row[d];
    p.explained_variance.push_back(sigma[k] * sigma[k] / static_cast<double>(rows.rows() - 1));
    p.explained_variance_ratio.push_back(sigma[k] * sigma[k] / total);
  }
  return p;
}

Tensor Pca::apply(const Tensor& x_MD) const {
  const RowReader rows(x_MD, before, kWhere);
  const int64_t dim = components_KD.cols, k = components_KD.rows;
  EOSIN_CHECK(rows.dim() == dim, Shape, "[{}] features differ in width from those of training (got {}, need {})", kWhere, rows.dim(), dim);
  Tensor out = at::zeros({rows.rows(), k}, at::kDouble);
  for (int64_t begin = 0; begin < rows.rows(); begin += block_of(rows)) {
    Tensor block = rows.read(begin, std::min(begin + block_of(rows), rows.rows())).clone();
    subtract(block, mean);
    multiply_add(block.size(0), k, dim, {block.const_data_ptr<double>(), dim, 1}, {components_KD.values.data(), 1, dim},
                 out.mutable_data_ptr<double>() + begin * k, k);
  }
  if (!whiten) return out;
  for (size_t j = 0; j < explained_variance.size(); ++j)
    EOSIN_CHECK(explained_variance[j] > 0, Numeric, "[{}] component {} has no variance and cannot be whitened; take fewer", kWhere, j);
  return out / at::tensor(explained_variance, at::kDouble).sqrt();
}

}  // namespace eosin::eval
