#include "ssl/koleo.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr double kEps = 1e-8;

/// [B, topk], without gradient.
Tensor nearest_neighbours(const Tensor& z_BD, int64_t topk) {
  const at::NoGradGuard no_grad;
  return std::get<1>(z_BD.matmul(z_BD.t()).fill_diagonal_(-2).topk(topk, 1));
}

}  // namespace

KoLeo koleo(const Tensor& x_BD, int64_t topk, double min_distance) {
  EOSIN_CHECK(x_BD.dim() == 2 && topk >= 1 && x_BD.size(0) > topk, Shape,
              "[koleo] rows of [{}] have no {} neighbours each (need [B, D] with B of at least {})", fmt::join(x_BD.sizes().vec(), ", "), topk,
              topk + 1);
  const FullPrecision full_precision;
  const Tensor z_BD = unit_rows(x_BD, kEps);
  const Tensor neighbours_BTD = z_BD.index_select(0, nearest_neighbours(z_BD, topk).flatten()).view({z_BD.size(0), topk, -1});
  const Tensor distance_BT = (z_BD.unsqueeze(1) - neighbours_BTD + kEps).norm(2, -1);
  const Tensor apart_BT = distance_BT.detach().ge(min_distance);
  const Tensor logs_BT = (distance_BT + kEps).log();
  const Tensor kept = at::where(apart_BT, logs_BT, at::zeros_like(logs_BT)).sum();
  return {-kept / apart_BT.sum().clamp_min(1), apart_BT.logical_not().sum()};
}

}  // namespace eosin::ssl
