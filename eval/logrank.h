#pragma once
// Whether groups of subjects have the same survival.
#include "eval/distributions.h"
#include "eval/follow_up.h"

namespace eosin::eval {

struct LogRank : TestResult {
  int64_t degrees = 0;
};
/// Log-rank test of k groups (Mantel 1966, Peto and Peto 1972): Z = observed - expected events of each group, V its hypergeometric covariance
/// (with (n - d) / (n - 1)), statistic Z^T V^-1 Z over k - 1 groups against chi-square with k - 1 degrees.
///
/// Shapes   subjects, group: N; any ids.
/// Errors   as check_follow_up; Data: a single group. Numeric if a group is never at risk together with another at an event (V is singular).
/// Checked  golden eval.logrank, survival.logrank.
LogRank logrank(FollowUp subjects, std::span<const int64_t> group);

}  // namespace eosin::eval
