#pragma once
#include "data/batch.h"
#include "train/objective.h"

#include <string>

namespace eosin::ssl {

/// Starts a method from the newest checkpoint of a run of the same method: student, teacher, heads and centres, not the optimizer and not the
/// step. Position tables are resampled to this run's image size (a high-resolution stage); a Gram teacher is taken where both have one.
///
/// Errors   Config if `run` is no run folder with checkpoints; Data that lists the names which only one of the two has; Shape that names both
///          shapes of a tensor (another width, other heads).
/// Checked  tests/ssl/test_continued_run.cpp.
void continue_run(train::Objective<data::ViewBatch>& method, const std::string& run);

}  // namespace eosin::ssl
