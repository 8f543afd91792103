#pragma once
// The same test rows under other conditions (staining, compression, magnification), by the models that were fitted without them.
#include "eval/scoring.h"

#include <string>
#include <vector>

namespace eosin::eval {

/// Features of the rows of a set, made of changed pictures.
struct Condition {
  std::string name;
  Tensor features_ND;
};

/// What the models of all folds say of a condition.
struct ConditionFolds {
  std::string name;
  std::vector<FoldResult> folds;
};

/// Each metric under every condition, its difference to the plain figure with an interval that resamples groups (paired), the least and the largest
/// figure (the plain one counts too), and the amplitude: the mean of largest less least over the resamples, with its interval (arXiv:2603.12886 has
/// that of the area under the ROC curve over stainings; eval/stain_protocol.h). Resampling alone makes an amplitude positive.
///
/// Checked   tests/eval/test_conditions.cpp.
nlohmann::ordered_json score_conditions(const LabelledSet& set, const std::vector<FoldResult>& plain, const std::vector<ConditionFolds>& conditions,
                                        const ScoringConfig& config);

}  // namespace eosin::eval
