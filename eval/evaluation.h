#pragma once
// A protocol, its test rows, and the numbers with their intervals: everything that results.json says.
#include "core/base/config.h"
#include "eval/audit.h"
#include "eval/labelled_set.h"
#include "eval/protocol.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

struct EvaluationConfig {
  config::Choice protocol{protocols(), "knn"};
  std::vector<std::string> metrics = {"balanced_accuracy",       "accuracy", "macro_f1", "weighted_f1", "mcc", "auroc_ovr_macro",
                                      "average_precision_macro", "log_loss", "brier",    "ece_15"};
  int64_t bootstrap = 1000;
  std::string interval = "percentile";
  int64_t folds = 5;
  std::vector<std::string> accept_leak;
  int64_t seed = 0;  // of the bootstrap; the verb sets it from run.seed
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Test rows of one fold, and who they are.
struct FoldResult {
  int64_t fold = 0;
  std::vector<int64_t> rows;  // of the set
  ProtocolResult result;
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

/// name -> {mean, sd, ci_low, ci_high, folds}: the short form that the verb prints.
nlohmann::ordered_json short_metrics(const nlohmann::ordered_json& results);

}  // namespace eosin::eval
