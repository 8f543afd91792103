#pragma once
// Whether paired values differ, by the ranks of their differences.
#include "eval/distributions.h"

#include <span>

namespace eosin::eval {

/// What is done with differences of 0.
/// Drop     left out (Wilcoxon 1945).
/// Pratt    ranked, then left out of both sums (Pratt 1959).
/// Split    ranked, half of their ranks to each side.
enum class ZeroDifferences { Drop, Pratt, Split };
enum class Alternative { TwoSided, Greater, Less };
struct WilcoxonOptions {
  ZeroDifferences zeros = ZeroDifferences::Drop;
  Alternative alternative = Alternative::TwoSided;
  bool exact = false;       // null distribution over all 2^n signs, else normal
  bool correction = false;  // of the normal approximation, by half a rank
};

/// Signed-rank test of a - b. The statistic is min(R+, R-) two-sided, else R+.
///
/// Errors   Data: no pairs, lengths differ, a value that is not finite, nothing left without zeros; exact with tied differences, or with zeros
///          that are not dropped. Numeric if the ranks have no variance (all differences 0).
/// Checked  golden eval.wilcoxon; tests/eval/test_paired_tests.cpp: all signs counted.
TestResult wilcoxon(std::span<const double> a, std::span<const double> b, const WilcoxonOptions& options = {});

}  // namespace eosin::eval
