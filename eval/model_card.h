#pragma once
// One page on what was trained and measured, for whoever is handed the models: drawn from a run's own records and nothing else.
#include "eval/run_record.h"

#include <string>

namespace eosin::eval {

/// Markdown: data with their hashes, head, protocol, figures with intervals, baselines, limits of use, how to repeat. What the run does not
/// record is left out.
///
/// Errors   Data if the run has no results.
/// Checked  tests/eval/test_model_card.cpp.
std::string model_card(const RunRecord& run);

}  // namespace eosin::eval
