#include "ssl/kde.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace eosin::ssl {

Tensor kde(const Tensor& x_BD, const KdeShape& shape) {
  EOSIN_CHECK(x_BD.dim() == 2 && x_BD.size(0) >= 2, Shape, "[kde] rows of [{}] (need [B, D] with B of at least 2)",
              fmt::join(x_BD.sizes().vec(), ", "));
  const FullPrecision full_precision;
  const Tensor z_BD = unit_rows(x_BD);
  const int64_t rows = z_BD.size(0);
  Tensor exponents_BB = z_BD.matmul(z_BD.t()) * shape.kappa;
  if (!shape.include_self)
    exponents_BB = exponents_BB.masked_fill(at::eye(rows, exponents_BB.options().dtype(at::kBool)), -std::numeric_limits<double>::infinity());
  Tensor log_density_B = exponents_BB.logsumexp(1);
  if (shape.normalize_count) log_density_B = log_density_B - std::log(static_cast<double>(shape.include_self ? rows : rows - 1));
  if (shape.eps > 0) log_density_B = at::logaddexp(log_density_B, at::full_like(log_density_B, std::log(shape.eps)));
  return log_density_B.mean() * shape.weight;
}

}  // namespace eosin::ssl
