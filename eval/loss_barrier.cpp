#include "eval/loss_barrier.h"

#include "core/base/error.h"
#include "eval/input.h"

#include <algorithm>
#include <cmath>

namespace eosin::eval {

LossBarrier loss_barrier(std::span<const double> alpha, std::span<const double> loss) {
  constexpr const char* kWhere = "eval.lmc_barrier";
  check_length(kWhere, "losses", loss.size(), alpha.size());
  EOSIN_CHECK(alpha.size() > 1, Data, "[{}] too few samples (got {} points, need the two ends)", kWhere, alpha.size());
  check_finite(kWhere, "alpha", alpha);
  check_finite(kWhere, "loss", loss);
  const bool ascends = std::is_sorted(alpha.begin(), alpha.end()) && std::abs(alpha.front()) < 1e-9 && std::abs(alpha.back() - 1) < 1e-9;
  EOSIN_CHECK(ascends, Data, "[{}] alpha must ascend from 0 to 1 (got {} ... {})", kWhere, alpha.front(), alpha.back());
  LossBarrier b{-INFINITY, 0, *std::max_element(loss.begin(), loss.end()) - (loss.front() + loss.back()) / 2};
  for (size_t k = 0; k < loss.size(); ++k) {
    const double above = loss[k] - ((1 - alpha[k]) * loss.front() + alpha[k] * loss.back());
    if (above > b.barrier) b.barrier = above, b.at = alpha[k];
  }
  return b;
}

}  // namespace eosin::eval
