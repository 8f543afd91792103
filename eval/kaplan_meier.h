#pragma once
// Share of subjects without event over time, and the same of the censoring.
#include "eval/follow_up.h"

#include <optional>
#include <string_view>
#include <vector>

namespace eosin::eval {

/// The whole curve as it is printed and drawn: row 0 at time 0, then every distinct time, of events or of censorings.
struct SurvivalTable {
  std::vector<double> time, at_risk, observed, censored;
  std::vector<double> survival, low, high;  // low = high = survival where that is 0 or 1: there is no interval
  /// The first time at which survival is at most 0.5, if it comes to that.
  std::optional<double> median() const;
  /// Mean time without event up to `tau`: the area under the curve.
  double restricted_mean(double tau) const;
};
/// Errors   as check_follow_up; Config if confidence is outside (0, 1).
/// Checked  golden survival.km.
SurvivalTable survival_table(FollowUp subjects, double confidence = 0.95);

struct KaplanMeier {
  std::vector<double> time, survival, low, high;  // at the distinct times with 0 < survival < 1, ascending
  std::vector<double> at_risk;
};
/// S(t) = product over u <= t of (1 - d_u / n_u) (Kaplan and Meier 1958), with Greenwood's variance V = sum d / (n (n - d)) and the log-log
/// interval S^exp(-+ z sqrt(V) / ln S) (Kalbfleisch and Prentice 1980). Everybody censored: no points.
///
/// Errors   as check_follow_up; Config if confidence is outside (0, 1).
/// Checked  golden eval.kaplan_meier.
KaplanMeier kaplan_meier(FollowUp subjects, double confidence = 0.95);

/// A right-continuous step function that is 1 before its first time.
struct StepCurve {
  std::vector<double> time, value;
  double at(double t) const;
};
/// S(t) as a function.
StepCurve survival_curve(std::string_view where, FollowUp subjects);

/// G(t) = P(not yet censored) in a training set, for weights 1 / G (Uno et al. 2007). At equal times events leave before censorings, and G is
/// taken at t, not just before. Beyond the last training time G stays 0 or 1 if it ended there, and is unknown otherwise.
class Censoring {
 public:
  /// Errors   as check_follow_up.
  Censoring(std::string_view where, FollowUp train);
  /// Errors   Data: `time` lies beyond the training follow-up (names the subject and the longest usable time).
  double survival(double time, size_t subject) const;
  /// 1 / survival. Errors   as survival; Data if it is 0.
  double weight(double time, size_t subject) const;

 private:
  std::string_view where_;
  StepCurve curve_;
};

}  // namespace eosin::eval
