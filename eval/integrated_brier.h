#pragma once
// Squared distance of predicted survival from what happened, over time.
#include "eval/follow_up.h"

#include <vector>

namespace eosin::eval {

struct IntegratedBrier {
  std::vector<double> brier;  // one a time
  double value = 0;           // trapezoid over the times / (last - first)
};
/// Brier(t) = mean of S^2 1[event by t] / G(time) + (1 - S)^2 1[time > t] / G(t) (Graf et al. 1999); a term with G = 0 counts 0.
///
/// Shapes   survival [M, T]: predicted S(t | x); times [T] ascending, at least 2.
/// Errors   as check_follow_up; Data: a survival outside [0, 1], times that do not ascend, fewer than 2, or G unknown where it is needed.
/// Checked  golden eval.ibs.
IntegratedBrier integrated_brier(FollowUp subjects, MatrixView survival_MT, FollowUp train, std::span<const double> times);

}  // namespace eosin::eval
