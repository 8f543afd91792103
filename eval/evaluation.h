#pragma once
// A protocol, its test rows, and the numbers with their intervals: everything that results.json says.
#include "core/base/config.h"
#include "eval/audit.h"
#include "eval/conditions.h"
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
  std::string hold_out = "group";
  std::vector<std::string> accept_leak;
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

struct Evaluation {
  nlohmann::ordered_json results;  // eosin-report-1
  std::string predictions_csv;
};

/// Audits the split, fits on training rows, predicts the others, plain and under every condition, and scores with intervals that resample groups.
///
/// Parts     test (training rows: train and val), else val (training rows: train), else group folds whose predictions are pooled. With hold_out site
///           every site is tested once by what the others trained, whatever the parts.
/// Errors    Data: a split that leaks, a class without training rows, sites that are not known, fewer than two, or a group at two of them. A metric
/// that is undefined (a class absent from the test rows)
///           is no error: its value is null and its state says why.
/// Checked   tests/eval/test_evaluation.cpp.
Evaluation evaluate(const LabelledSet& set, const EvaluationConfig& config, const std::vector<Condition>& conditions = {});

}  // namespace eosin::eval
