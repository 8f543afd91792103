#pragma once
#include "eval/input.h"

namespace eosin::eval {

/// The score from which a sample counts as positive so that sensitivity + specificity is largest (Youden 1950); of equal ones the highest.
/// It belongs to samples that are not the reported ones.
///
/// Errors   as roc_curve: one class only.
/// Checked  tests/eval/test_split_plan.cpp.
double youden_threshold(Labels target, std::span<const double> score);

}  // namespace eosin::eval
