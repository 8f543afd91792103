#pragma once
// What k folds say of one model, and of two.
#include "eval/distributions.h"

#include <span>

namespace eosin::eval {

struct FoldSummary {
  double mean = 0, sd = 0;   // sd with k - 1
  double low = 0, high = 0;  // mean -+ t_{k-1} sd / sqrt(k)
};
/// Errors   Data: fewer than 2 folds, a value that is not finite. Config if confidence is outside (0, 1).
/// Checked  golden eval.fold_summary.
FoldSummary fold_summary(std::span<const double> value, double confidence = 0.95);

/// Corrected resampled t (Nadeau and Bengio 2003): folds share training rows, so that the variance of the mean difference is
/// (1/k + n_test/n_train) var(d), not var(d)/k. Two-sided, t with k - 1 degrees. Equal models: t 0, p 1.
///
/// Errors   as fold_summary; Data if lengths differ or the ratio is negative. Numeric if all folds differ by the same amount.
/// Checked  golden eval.fold_summary; tests/eval/test_paired_tests.cpp: false positives.
TestResult corrected_resampled_t(std::span<const double> a, std::span<const double> b, double test_to_train_ratio);

}  // namespace eosin::eval
