#pragma once
// Who has had the event by t against who has not: an area under the ROC curve at each t.
#include "eval/follow_up.h"

#include <vector>

namespace eosin::eval {

struct TimeDependentAuc {
  std::vector<double> auroc;  // one a time
  double mean = 0;            // weighted by the events between the times: sum AUC(t) (S(t_before) - S(t)) / (1 - S(t_last))
};
/// Cumulative cases, dynamic controls (Uno et al. 2007): at t the cases have an event at time <= t and weigh 1 / G(time), the controls have
/// time > t; risks within 1e-8 of their neighbour in order count as equal. S is the Kaplan-Meier of `subjects`, G of the censoring in `train`.
///
/// Shapes   risk [M, 1] or [M, T]; times [T] ascending.
/// Errors   as check_follow_up; Data: a risk that is not finite, times that do not ascend, a time without case or without control (names
///          it), a case where G is 0 or unknown (names the subject).
/// Checked  golden eval.time_dependent_auc.
TimeDependentAuc time_dependent_auc(FollowUp subjects, MatrixView risk, FollowUp train, std::span<const double> times);

}  // namespace eosin::eval
