#include "eval/lidar.h"

#include "core/base/error.h"
#include "eval/one_thread.h"
#include "eval/rows.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::eval {

Lidar lidar(const Tensor& x_NQD, double delta, double eps) {
  constexpr const char* kWhere = "eval.lidar";
  EOSIN_CHECK(x_NQD.dim() == 3, Shape, "[{}] features need three dimensions: objects, views, width (got {})", kWhere, x_NQD.dim());
  EOSIN_CHECK(x_NQD.size(0) > 1 && x_NQD.size(1) > 1, Data, "[{}] too few samples (got {} objects of {} views, need 2 of 2)", kWhere, x_NQD.size(0),
              x_NQD.size(1));
  EOSIN_CHECK(delta >= 0 && eps > 0, Config, "[{}] need delta >= 0 and eps > 0 (got {} and {})", kWhere, delta, eps);
  const int64_t n = x_NQD.size(0), q = x_NQD.size(1), dim = x_NQD.size(2);
  const RowReader rows(x_NQD.reshape({n * q, dim}), {}, kWhere);
  const OneThread guard;
  const Tensor x = rows.read(0, n * q).reshape({n, q, dim}), mean_ND = x.mean(1);
  const Tensor between_ND = mean_ND - mean_ND.mean(0), within = (x - mean_ND.unsqueeze(1)).reshape({n * q, dim});
  const Tensor sb = between_ND.t().mm(between_ND) / static_cast<double>(n - 1);
  const Tensor sw = within.t().mm(within) / static_cast<double>(n * (q - 1)) + delta * at::eye(dim, at::kDouble);
  const auto [spread, axes] = at::linalg_eigh(sw);
  const Tensor whiten = (axes * spread.clamp_min(eps).rsqrt()).mm(axes.t());
  const Tensor lambda = at::linalg_eigvalsh(whiten.mm(sb).mm(whiten)).clamp_min(0);
  const Tensor share = (lambda + eps) / (lambda + eps).sum();
  Lidar r;
  r.entropy = -(share * share.log()).sum().item<double>();
  r.value = std::exp(r.entropy);
  r.top_eigenvalue = lambda.max().item<double>();
  return r;
}

}  // namespace eosin::eval
