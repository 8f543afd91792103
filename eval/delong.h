#pragma once
// Variance of the area under the ROC curve without resampling, and the test of two areas on the same samples.
#include "eval/distributions.h"
#include "eval/input.h"

#include <vector>

namespace eosin::eval {

struct DeLong {
  std::vector<double> auroc;      // [K]
  Matrix covariance;              // [K, K]
  std::vector<double> low, high;  // auroc -+ z sd, inside [0, 1]
};
/// Areas of K scores of the same samples and their covariance (DeLong et al. 1988), by midranks in O(K n log n) (Sun and Xu 2014).
///
/// Shapes   target 0 or 1, N; score [K, N].
/// Errors   Data: no samples, lengths differ, a score that is not finite, fewer than two positives or two negatives. Config if confidence
///          is outside (0, 1).
/// Checked  golden eval.delong; tests/eval/test_paired_tests.cpp: pairs one by one, false positives.
DeLong delong(Labels target, MatrixView score_KN, double confidence = 0.95);

/// Whether areas a and b differ: z = |A_a - A_b| / sd of the difference, two-sided p. Equal areas whose difference has no variance: z 0, p 1.
///
/// Errors   Numeric if areas differ and their difference has no variance (both rank perfectly, in opposite directions).
TestResult delong_test(const DeLong& areas, int64_t a = 0, int64_t b = 1);

}  // namespace eosin::eval
