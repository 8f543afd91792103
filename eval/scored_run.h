#pragma once
// A finished evaluation, read back from its run folder: what it said of each row.
#include "eval/metrics.h"

#include <string>
#include <vector>

namespace eosin::eval {

struct ScoredRun {
  std::string dir, name;
  std::vector<std::string> ids, groups;  // of each row
  std::vector<std::string> classes;      // or, of numbers, the targets
  std::vector<std::string> metrics;      // of the table (eval/metrics.h), that the run reports
  Predictions predictions;
};

/// From results.json and predictions.csv as `eosin eval` writes them. Rows are in the order of their ids, so that runs of the same rows have the
/// same.
///
/// Errors   Io if the folder or a file is missing. Data: a run of another verb, a table with other columns, an id twice, a cell that is no number.
/// Checked  tests/eval/test_run_comparison.cpp.
ScoredRun read_scored_run(const std::string& dir);

}  // namespace eosin::eval
