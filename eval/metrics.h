#pragma once
// The table of metrics: what a report may print, by full name.
#include "eval/bootstrap.h"
#include "eval/input.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::eval {

/// What a classifier said about each sample of a test set. Of survival: the target is the event (1 seen, 0 censored), and there are times and
/// risks instead of predictions. Of numbers: a column a quantity, true (NaN: unknown) and estimated; there are no classes, and every target is 0. Of
/// flags the same, 0 or 1 and the probability of 1.
struct Predictions {
  int64_t num_classes = 0;
  std::vector<int64_t> target, pred;
  Matrix prob_NC;
  std::vector<double> time = {}, risk = {};
  Matrix number_NT = {}, estimate_NT = {};
  bool flags = false;

  /// Which metrics fit: "risks", "numbers", "predictions" (those of probabilities too), or "" where nothing was predicted.
  std::string kind() const {
    if (number_NT.cols > 0) return flags ? "predictions" : "numbers";
    return !risk.empty() ? "risks" : num_classes > 0 ? "predictions" : "";
  }
};

struct MetricRow {
  std::string name;
  bool higher_is_better;
  std::string needs;  // "predictions", "probabilities", "risks" or "numbers"
  std::string range;  // "0 ... 1"
  std::string one_line;
  std::string source;
  /// The metric as a function of the rows' weights. Errors as the metric's own.
  Statistic (*make)(std::shared_ptr<const Predictions>);
};

/// A metric of one target, or its mean over all of them, each from the rows that know it; flags count as two classes, 1 from a probability of 0.5.
///
/// Errors   as the metric's own, naming the target where there are several.
/// Checked  tests/eval/test_targets.cpp.
Statistic of_target(const MetricRow& row, const Predictions& p, int64_t target);
Statistic over_targets(const MetricRow& row, const Predictions& p, const std::vector<std::string>& names);

/// In the order in which reports print them.
const std::vector<MetricRow>& metrics();
/// Errors   Config for an unknown name, with the nearest known one.
const MetricRow& metric(const std::string& name);

}  // namespace eosin::eval
