#include "ssl/phi_s.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <bit>
#include <optional>

namespace eosin::ssl {
namespace {

bool is_prime(int64_t n) {
  for (int64_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return n > 1;
}

bool is_power_of_two(int64_t n) { return n > 0 && std::has_single_bit(static_cast<uint64_t>(n)); }

bool has_paley(int64_t order) { return order % 4 == 0 && is_prime(order - 1); }

/// The order of the Sylvester factor; none if there is no such product.
std::optional<int64_t> sylvester_factor(int64_t order) {
  if (is_power_of_two(order)) return order;
  if (order < 1) return std::nullopt;
  for (int64_t factor = (order & -order) / 2; factor >= 1; factor /= 2)
    if (has_paley(order / factor)) return factor;
  return std::nullopt;
}

Tensor sylvester(int64_t order) {
  Tensor h = at::ones({1, 1}, at::kDouble);
  const Tensor two = at::ones({2, 2}, at::kDouble);
  two[1][1] = -1;
  for (int64_t n = 1; n < order; n *= 2) h = at::kron(two, h);
  return h;
}

/// Type I: I + S, S skew, from the squares modulo q = order - 1.
Tensor paley(int64_t order) {
  const int64_t q = order - 1;
  std::vector<double> chi(static_cast<size_t>(q), -1);
  chi[0] = 0;
  for (int64_t i = 1; i < q; ++i) chi[static_cast<size_t>(i * i % q)] = 1;
  Tensor h = at::eye(order, at::kDouble);
  double* out = h.mutable_data_ptr<double>();
  for (int64_t i = 1; i < order; ++i) {
    out[i] = 1;
    out[i * order] = -1;
    for (int64_t j = 1; j < order; ++j) out[i * order + j] += chi[static_cast<size_t>(((i - j) % q + q) % q)];
  }
  return h;
}

/// "764 or 768".
std::string nearest_orders(int64_t order) {
  int64_t below = order, above = order;
  while (below > 1 && !sylvester_factor(below)) --below;
  while (!sylvester_factor(above)) ++above;
  return below < 1 ? std::to_string(above) : fmt::format("{} or {}", below, above);
}

}  // namespace

Tensor hadamard(int64_t order) {
  const auto factor = sylvester_factor(order);
  EOSIN_CHECK(factor, Config, "[phi_s] no Hadamard matrix of order {} is known to this program; nearest: {}", order, nearest_orders(order));
  return *factor == order ? sylvester(order) : at::kron(sylvester(*factor), paley(order / *factor));
}

Tensor PhiS::apply(const Tensor& x_ND) const {
  const auto like = x_ND.options();
  return at::matmul(x_ND - mean_D.to(like), transform_DD.to(like).t());
}

PhiS fit_phi_s(const Tensor& samples_ND) {
  EOSIN_CHECK(samples_ND.dim() == 2 && samples_ND.size(0) > 1, Shape, "[phi_s] samples of [{}] (need at least two rows)",
              fmt::join(samples_ND.sizes().vec(), ", "));
  const at::NoGradGuard no_grad;
  const int64_t dim = samples_ND.size(1);
  const Tensor h = hadamard(dim) / std::sqrt(static_cast<double>(dim));
  const Tensor x = samples_ND.to(at::kCPU, at::kDouble);
  const Tensor mean = x.mean(0), centred = x - mean;
  const Tensor covariance = centred.t().mm(centred) / static_cast<double>(x.size(0) - 1);
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const double scale = values.clamp_min(0).mean().item<double>();
  EOSIN_CHECK(scale > 0, Data, "[phi_s] all {} samples are equal; there is no scale to bring to 1", x.size(0));
  return {mean, h.mm(vectors.t()) / std::sqrt(scale)};
}

}  // namespace eosin::ssl
