#pragma once
// The schedules that a config may name. Their curves are in optim/curves.h.
#include "core/base/config.h"
#include "optim/curves.h"

#include <functional>
#include <vector>

namespace eosin::optim {

/// Step to value.
using Schedule = std::function<double(int64_t step)>;

/// What `schedule: {name: ...}` may be; keys are in steps, the base is the optimizer's lr.
const std::vector<config::ConfigRow>& schedule_table();
/// The chosen schedule for a run of `total_steps` with this peak value.
/// Errors   Config if its phases do not fit the run.
Schedule make_schedule(const config::Choice& choice, double base, int64_t total_steps);

}  // namespace eosin::optim
