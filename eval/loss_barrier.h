#pragma once
// What the loss rises by on the straight line between two models.
#include <span>

namespace eosin::eval {

struct LossBarrier {
  double barrier = 0, at = 0;  // largest loss above the chord, and its alpha
  double midpoint_gap = 0;     // largest loss - mean of the two ends
};
/// b_k = loss_k - ((1 - alpha_k) loss_first + alpha_k loss_last) (Frankle et al. 2020, Entezari et al. 2022).
///
/// Shapes   alpha, loss [K]; alpha ascends from 0 to 1.
/// Errors   Data: fewer than 2 points, lengths differ, a value that is not finite, alpha that does not ascend from 0 to 1.
/// Checked  golden eval.lmc_barrier.
LossBarrier loss_barrier(std::span<const double> alpha, std::span<const double> loss);

}  // namespace eosin::eval
