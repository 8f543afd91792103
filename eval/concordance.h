#pragma once
// Whether who has the higher risk has the earlier event.
#include "eval/follow_up.h"

#include <optional>

namespace eosin::eval {

/// Pairs (i, j) are comparable if i has an event and j's time is later, or equal and j is censored.
struct Concordance {
  double value = 0;                        // (concordant + tied_risk / 2) / comparable
  int64_t concordant = 0, discordant = 0;  // by risk_i > risk_j, risk_i < risk_j
  int64_t tied_risk = 0;                   // |risk_i - risk_j| <= tied_tol, which wins
  int64_t tied_time = 0;                   // event and censored at the same time
};
/// Harrell's C (Harrell et al. 1996), O(n log n) by a Fenwick tree over ranked risks.
///
/// Shapes   subjects and risk: M; higher risk = earlier event.
/// Errors   as check_follow_up; Data: a risk that is not finite, no comparable pair (all censored).
/// Checked  golden eval.c_index; tests/eval/test_survival.cpp: pairs one by one.
Concordance harrell_c(FollowUp subjects, std::span<const double> risk, double tied_tol = 1e-8);

/// Uno's C (Uno et al. 2011): pairs weigh G(time_i)^-2, G from `train`, and only i with time_i < tau count.
///
/// Errors   as harrell_c; Data if an event that counts lies where G is 0 or unknown (names the subject and a usable tau).
/// Checked  golden eval.c_index.
double uno_c(FollowUp subjects, std::span<const double> risk, FollowUp train, std::optional<double> tau = std::nullopt, double tied_tol = 1e-8);

}  // namespace eosin::eval
