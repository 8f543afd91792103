#pragma once
// One self-contained HTML page from run folders: drawn from their files and nothing else.
#include "eval/run_record.h"

#include <string>
#include <vector>

namespace eosin::eval {

/// The page of one run: verdict, violations, metrics, curves, pictures, data, config, machine, failures, as far as the run has them.
/// Several runs: first a table of their metrics side by side, the tests between them where there are (compare_runs), and the differences of their
/// configs, then each run.
///
/// Checked  tests/eval/test_report.cpp: hostile labels come out inert, no reference leaves the page, every plot has its numbers.
std::string report_html(const std::vector<RunRecord>& runs, const nlohmann::ordered_json& tests = {});

/// Reads the folders and writes the page to `path` (complete or not at all).
/// Errors   Io.
void write_report(const std::vector<std::string>& run_dirs, const std::string& path, const nlohmann::ordered_json& tests = {});

}  // namespace eosin::eval
