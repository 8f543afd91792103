#pragma once
// The curves of a run: what metrics.jsonl holds, by what a reader asks for.
#include "eval/run_record.h"
#include "eval/svg.h"

#include <string>
#include <vector>

namespace eosin::eval {

/// Series of every number in the rows of metrics.jsonl, by dotted key ("eval.knn_accuracy"), in order of first appearance.
std::vector<svg::Series> series_of(const std::vector<nlohmann::ordered_json>& rows);

/// Sections (markup): loss, accuracy of the probes, health of the representation, gradients, schedules, throughput, and what is left. Series that
/// belong together share a plot; each plot says what its extremes mean. Empty for a run without metrics.
///
/// Checked  tests/eval/test_report.cpp.
std::string curve_sections(const RunRecord& run);

}  // namespace eosin::eval
