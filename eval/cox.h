#pragma once
// Hazard ratios of covariates.
#include "eval/follow_up.h"

#include <vector>

namespace eosin::eval {

struct Cox {
  std::vector<double> coef, se;                       // [D]; se from the inverse observed information
  std::vector<double> hazard_ratio, hr_low, hr_high;  // exp(coef), exp(coef -+ z se)
  double log_likelihood = 0;                          // partial
  int64_t iterations = 0;
};
/// Proportional hazards (Cox 1972) by maximum partial likelihood with Efron's ties (Efron 1977), no penalty; Newton's method on standardised
/// covariates, steps halved while the likelihood falls.
///
/// Shapes   x [N, D].
/// Errors   as check_follow_up; Data: nobody has an event, a covariate that is not finite or is constant (names it). Numeric if covariates are
///          collinear, or one orders the events perfectly so that its coefficient has no finite maximum.
/// Checked  golden eval.cox; tests/eval/test_survival.cpp.
Cox cox(FollowUp subjects, MatrixView x_ND, double confidence = 0.95);

}  // namespace eosin::eval
