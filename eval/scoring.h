#pragma once
// From the predictions of folds to numbers with intervals: the parts of results.json that speak of them.
#include "core/base/config.h"
#include "eval/pooled_folds.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

struct ScoringConfig {
  std::vector<std::string> metrics = {
      "balanced_accuracy", "accuracy", "macro_f1", "weighted_f1", "mcc", "auroc_ovr_macro", "average_precision_macro", "log_loss", "brier", "ece_15",
      "pearson",           "spearman", "r2",       "mae"};
  int64_t bootstrap = 1000;
  std::string interval = "percentile";
  int64_t seed = 0;  // of the bootstrap; the verb sets it from run.seed
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// metrics: of each fold, their mean, and of the pooled predictions with an interval that resamples groups; a metric that is undefined (a class
/// absent from the test rows) is null and its state says why. Of classes also curves, reliability, confusion and worst_errors; of survival, where
/// every fold has its cut, the groups of high and low risk over time and the log-rank test between them; of numbers each target's measures, with an
/// interval of the first, and for the targets that follow most and least points of number against estimate. Metrics that do not fit are left out;
/// where nothing was predicted the protocol's own measures are all.
///
/// Errors    Config if none of the metrics fits.
///
/// Checked   tests/eval/test_evaluation.cpp.
nlohmann::ordered_json score_folds(const LabelledSet& set, const std::vector<FoldResult>& folds, const ScoringConfig& config);

/// A problem with key `metrics` for every unknown name.
void check_metrics(const std::vector<std::string>& metrics, config::Problems& p);

/// The metrics that fit what was predicted ("risks", "numbers", else classes).
///
/// Errors    Config if none does.
std::vector<std::string> fitting(const std::vector<std::string>& metrics, const std::string& kind);

/// name -> {mean, sd, ci_low, ci_high, folds}: the short form that a verb prints.
nlohmann::ordered_json short_metrics(const nlohmann::ordered_json& results);

}  // namespace eosin::eval
