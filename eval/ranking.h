#pragma once
// Measures of scores that rank: ROC and precision-recall curves and the areas under them. Higher score = more positive.
#include "eval/classification.h"
#include "eval/input.h"

#include <optional>
#include <vector>

namespace eosin::eval {

/// Area under the ROC curve: P(s+ > s-) + P(equal)/2 (Mann-Whitney), weighted, O(n log n).
///
/// Shapes   target 0 or 1, score: N each.
/// Errors   Data: no samples, lengths differ, a score that is not finite, no positive or no negative.
/// Checked  golden eval.auroc.
double auroc(Labels target, std::span<const double> score, Weights weight = {});
/// Area up to false-positive rate `max_fpr` (the last point interpolated), scaled so that chance is 1/2 (McClish 1989).
///
/// Errors   as auroc; Config if max_fpr is not in (0, 1].
double partial_auroc(Labels target, std::span<const double> score, double max_fpr, Weights weight = {});

struct OneVsRest {
  double value = 0;
  std::vector<double> per_class;  // empty for Average::Micro
};
/// Each class against the rest: plain mean (Macro), by prevalence (Weighted), or of the flattened indicators (Micro).
///
/// Shapes   score [N, C].
/// Errors   as auroc, naming the class that has no positive or no negative.
OneVsRest auroc_ovr(Labels target, MatrixView score, Average average = Average::Macro, Weights weight = {});
/// Hand and Till 2001: mean over pairs of classes of the two areas between them; Macro, or Weighted by the pair's samples.
double auroc_ovo(Labels target, MatrixView score, Average average = Average::Macro, Weights weight = {});

/// Columns sorted once, so that the areas for other weights of the same samples (a bootstrap replicate) costs O(N C).
class RankedScores {
 public:
  /// Errors   Data: no samples, lengths differ, a score that is not finite.
  RankedScores(Labels target, MatrixView score);
  /// One-vs-rest area of class c; absent if the weights leave it without positives or negatives. With one column, class 1 is scored.
  std::optional<double> area(int64_t c, Weights weight) const;
  /// Mean over classes of area(); absent if one is absent.
  std::optional<double> macro(Weights weight) const;
  /// The same of the average precision, which needs positives only.
  std::optional<double> precision(int64_t c, Weights weight) const;
  std::optional<double> macro_precision(Weights weight) const;

 private:
  using OfClass = std::optional<double> (RankedScores::*)(int64_t, Weights) const;
  std::optional<double> mean_of(OfClass measure, Weights weight) const;

  std::vector<int64_t> target_;
  int64_t cols_;
  std::vector<std::vector<uint32_t>> order_;    // by column: samples by ascending score
  std::vector<std::vector<uint32_t>> tie_end_;  // by column: where each run of equal scores ends in order_
};

struct RocCurve {
  std::vector<double> fpr, tpr;   // from (0, 0) to (1, 1)
  std::vector<double> threshold;  // of every point but the first: rule score >= threshold
};
/// One point a distinct score, from the highest down; `drop_intermediate` leaves out points on a straight line between their neighbours.
///
/// Checked  golden eval.roc_curve.
RocCurve roc_curve(Labels target, std::span<const double> score, bool drop_intermediate = true, Weights weight = {});

struct PrecisionRecallCurve {
  std::vector<double> precision, recall;  // by ascending threshold, then the point (1, 0)
  std::vector<double> threshold;
};
/// Checked  golden eval.pr_curve.
PrecisionRecallCurve pr_curve(Labels target, std::span<const double> score, Weights weight = {});
/// sum (R_n - R_{n-1}) P_n over thresholds from the highest down; no interpolation.
///
/// Errors   Data if there is no positive.
/// Checked  golden eval.average_precision.
double average_precision(Labels target, std::span<const double> score, Weights weight = {});
/// One-vs-rest: Macro, Weighted (prevalence) or Micro.
double average_precision_multiclass(Labels target, MatrixView score, Average average, Weights weight = {});

struct OperatingPoint {
  double sensitivity = 0, threshold = 0;
};
/// The largest sensitivity with specificity >= min_specificity, and the highest threshold that reaches it.
///
/// Errors   Numeric if no score reaches that specificity.
/// Checked  golden eval.sensitivity_at_specificity.
OperatingPoint sensitivity_at_specificity(Labels target, std::span<const double> score, double min_specificity);

}  // namespace eosin::eval
