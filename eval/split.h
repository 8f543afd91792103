#pragma once
// Splits that cannot leak: the unit is the group (patient), never the row.
#include "eval/input.h"

#include <array>
#include <string>
#include <vector>

namespace eosin::eval {

/// Fold of each row, 0 ... folds-1, and the samples of each class in each fold.
struct Folds {
  std::vector<int64_t> fold;
  Matrix count;  // [folds, classes]
};

/// Deals whole groups to folds, classes balanced (the rule of scikit-learn's StratifiedGroupKFold without shuffling). Groups are
/// looked at by descending spread of their class counts, equals in `group_order` (default: ascending id); each goes to the fold that
/// keeps the classes' shares most even.
///
/// Shapes   target, group: N.
/// Errors   Data: lengths differ, negative labels, fewer groups than folds, or every class smaller than `folds`. Config if folds < 2.
/// Checked  golden eval.patient_split.
Folds group_folds(Labels target, std::span<const int64_t> group, int64_t num_classes, int64_t folds, std::span<const int64_t> group_order = {});

/// Groups that occur in two parts, by pair of parts: (0, 1), (0, 2), (1, 2); ascending.
///
/// Errors   Data: lengths differ, a part outside 0 ... 2.
/// Checked  golden eval.leak_check.
std::array<std::vector<int64_t>, 3> group_overlap(std::span<const int64_t> group, std::span<const int64_t> part);

}  // namespace eosin::eval
