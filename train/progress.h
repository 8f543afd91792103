#pragma once
#include <cstdint>

namespace eosin::train {

/// Where a run stands; every schedule is a function of it.
struct Progress {
  int64_t step = 0;   // optimizer steps done before this one
  int64_t steps = 0;  // of the whole run
  int64_t micro = 0;  // micro-step within the step (gradient accumulation)
  int64_t accumulate = 1;
  int64_t samples = 0;    // tiles consumed by all ranks before this step
  bool log_step = false;  // parts and diagnostics are wanted
};

}  // namespace eosin::train
