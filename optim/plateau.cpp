#include "optim/plateau.h"

#include "core/base/error.h"

#include <algorithm>

namespace eosin::optim {

Plateau::Plateau(PlateauConfig config) : config_(std::move(config)), value_(config_.base) {
  EOSIN_CHECK(config_.mode == "min" || config_.mode == "max", Config, "[plateau] unknown mode '{}'; use min or max", config_.mode);
  EOSIN_CHECK(config_.threshold_mode == "rel" || config_.threshold_mode == "abs", Config, "[plateau] unknown threshold_mode '{}'; use rel or abs",
              config_.threshold_mode);
  const double infinity = std::numeric_limits<double>::infinity();
  best_ = config_.mode == "min" ? infinity : -infinity;
}

bool Plateau::improves(double metric) const {
  const double t = config_.threshold;
  if (config_.mode == "min") return metric < (config_.threshold_mode == "rel" ? best_ * (1.0 - t) : best_ - t);
  return metric > (config_.threshold_mode == "rel" ? best_ * (1.0 + t) : best_ + t);
}

void Plateau::report(double metric) {
  if (improves(metric)) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_ = 0;
  }
  if (bad_ <= config_.patience) return;
  const double lower = std::max(value_ * config_.factor, config_.min_lr);
  if (value_ - lower > 1e-8) value_ = lower;
  cooling_ = config_.cooldown;
  bad_ = 0;
}

void Plateau::restore(const Memory& m) {
  value_ = m.value, best_ = m.best;
  bad_ = m.bad, cooling_ = m.cooling;
}

}  // namespace eosin::optim
