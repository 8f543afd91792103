#pragma once
// How a self-distillation teacher's temperature and momentum run.
#include <cstdint>

namespace eosin::ssl {

/// A linear warm-up from `start` to `end` over `steps` steps, both ends included, then constant. A value is held for `hold` steps: DINO and
/// iBOT step once an epoch, DINOv2 at every step (1).
struct TemperatureRamp {
  double start = 0.04, end = 0.04;
  int64_t steps = 0, hold = 1;
};
double temperature_at(const TemperatureRamp& ramp, int64_t step);

/// Half a cosine from `start` at step 0 towards `end` at `steps`.
double momentum_at(double start, double end, int64_t steps, int64_t step);

}  // namespace eosin::ssl
