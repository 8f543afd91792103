#pragma once
// How much a model's area under the ROC curve depends on the staining of the same slides (arXiv:2603.12886).
#include "eval/bootstrap.h"

#include <vector>

namespace eosin::eval {

struct StainAmplitude {
  std::vector<double> auroc;  // of each condition, all rows
  Interval interval;          // of max - min over the conditions
  double mean = 0;            // of the resamples: the amplitude. Resampling alone makes it positive even for equal conditions
};
/// Amplitude over K staining conditions, the same resamples for all.
///
/// Shapes   target 0 or 1, N; score [K, N].
/// Errors   as auroc and bootstrap_interval; Data if there is no condition.
/// Checked  golden eval.stain_amplitude.
StainAmplitude stain_amplitude(Labels target, MatrixView score_KN, const Resampler& resampler, double confidence = 0.95);

}  // namespace eosin::eval
