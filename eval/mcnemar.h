#pragma once
// Whether two classifiers err on the same samples equally often.
#include "eval/distributions.h"
#include "eval/input.h"

namespace eosin::eval {

/// Samples by who is right.
struct PairedHits {
  int64_t both = 0, only_a = 0, only_b = 0, neither = 0;
};
/// Errors   Data: no samples, or lengths differ.
PairedHits paired_hits(Labels target, Labels pred_a, Labels pred_b);

/// Exact        binomial over the samples on which one alone is right, p = min(1, 2 P(X <= min)); statistic min(b, c).
/// ChiSquare    (b - c)^2 / (b + c) against chi-square with 1 degree.
/// Corrected    (|b - c| - 1)^2 / (b + c), Edwards 1948.
enum class McNemarForm { Exact, ChiSquare, Corrected };
/// Exact below 25 samples on which one alone is right, else Corrected.
McNemarForm mcnemar_form(const PairedHits& hits);

/// McNemar 1947.
///
/// Errors   Numeric if the classifiers never disagree in being right and the form is not Exact (0/0).
/// Checked  golden eval.mcnemar.
TestResult mcnemar(const PairedHits& hits, McNemarForm form);

}  // namespace eosin::eval
