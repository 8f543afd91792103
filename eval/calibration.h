#pragma once
// How far probabilities are from the truth.
#include "eval/input.h"

#include <vector>

namespace eosin::eval {

/// Weighted mean of -ln p[target], p clipped to [eps, 1 - eps] with eps = 2^-52; rows are taken as given.
///
/// Shapes   prob [N, C].
/// Errors   Data: no samples, lengths differ, a label outside the classes, a value that is not finite.
/// Checked  golden eval.log_loss.
double log_loss(Labels target, MatrixView prob, Weights weight = {});

/// Mean of (p - y)^2 with p = P(class 1) (Brier 1950).
///
/// Checked  golden eval.brier.
double brier_binary(Labels target, std::span<const double> prob);
/// Mean over samples of sum_c (p_c - [y = c])^2, halved with `scale_by_half` (so that two classes agree with brier_binary).
double brier(Labels target, MatrixView prob, bool scale_by_half = true, Weights weight = {});

enum class CalibrationNorm { L1, L2, Max };
struct CalibrationError {
  double value = 0;
  std::vector<double> accuracy, confidence, fraction;  // n_bins + 1: confidence 1 has a bin of its own
};
/// Expected calibration error of the top-1 confidence, in bins [i/n, (i+1)/n) (Guo et al. 2017).
///
/// Checked  golden eval.ece.
CalibrationError calibration_error(Labels target, MatrixView prob, int64_t n_bins = 15, CalibrationNorm norm = CalibrationNorm::L1,
                                   Weights weight = {});
/// The binary form: confidence is P(class 1) and accuracy the target (torchmetrics), not the top-1 form.
CalibrationError calibration_error_binary(Labels target, std::span<const double> prob, int64_t n_bins = 15,
                                          CalibrationNorm norm = CalibrationNorm::L1);

}  // namespace eosin::eval
