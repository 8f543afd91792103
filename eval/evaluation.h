#pragma once
// A protocol, its test rows, and the numbers with their intervals: everything that results.json says.
#include "core/base/config.h"
#include "eval/audit.h"
#include "eval/labelled_set.h"
#include "eval/protocol.h"
#include "eval/scoring.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

struct EvaluationConfig : ScoringConfig {
  config::Choice protocol{protocols(), "knn"};
  int64_t folds = 5;
  std::vector<std::string> accept_leak;
  void visit(config::Visitor& v);
};

struct Evaluation {
  nlohmann::ordered_json results;  // eosin-report-1
  std::string predictions_csv;
};

/// Audits the split, fits on training rows, predicts the others, and scores with intervals that resample groups.
///
/// Parts     test (training rows: train and val), else val (training rows: train), else group folds whose predictions are pooled.
/// Errors    Data: a split that leaks, a class without training rows. A metric that is undefined (a class absent from the test rows)
///           is no error: its value is null and its state says why.
/// Checked   tests/eval/test_evaluation.cpp.
Evaluation evaluate(const LabelledSet& set, const EvaluationConfig& config);

}  // namespace eosin::eval
