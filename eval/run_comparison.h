#pragma once
// Whether evaluations of the same rows differ.
#include "core/base/config.h"
#include "eval/scored_run.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace eosin::eval {

struct ComparisonConfig {
  std::vector<std::string> metrics;
  int64_t bootstrap = 1000, seed = 0;
  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Every pair of runs, by every metric: the difference a - b and its interval from resamples of the groups that both share, and
/// p = 2 (1 + the fewer of the resampled differences on one side of 0) / (1 + resamples), at most 1. Beside that, of two classes DeLong's test of
/// the areas, and of classes McNemar's of the accuracy: both take rows as independent, which rows of one group are not. p_adjusted is Holm's over the
/// pairs of one metric and test. A metric that is undefined on these rows has no p, and says why.
///
/// Errors   Config: fewer than two runs, no metric that all report. Data naming the first id: rows, groups or truths that differ; other classes or
/// targets. Checked  tests/eval/test_run_comparison.cpp, tests/python/eval_parity.py: scipy.
nlohmann::ordered_json compare_runs(const std::vector<ScoredRun>& runs, const ComparisonConfig& config);

}  // namespace eosin::eval
