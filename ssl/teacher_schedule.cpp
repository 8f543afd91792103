#include "ssl/teacher_schedule.h"

#include "optim/curves.h"

namespace eosin::ssl {

double temperature_at(const TemperatureRamp& ramp, int64_t step) {
  optim::WarmupCosine curve;
  curve.start = ramp.start;
  curve.base = curve.final = ramp.end;
  curve.total = curve.warmup = ramp.steps / ramp.hold;
  return optim::warmup_cosine(curve, step / ramp.hold);
}

double momentum_at(double start, double end, int64_t steps, int64_t step) { return optim::warmup_cosine({start, end, steps}, step); }

}  // namespace eosin::ssl
