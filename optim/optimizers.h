#pragma once
// The optimizers that a config may name: `optim: {name: adamw, ...}`.
#include "core/base/config.h"
#include "optim/adamw.h"
#include "optim/optimizer.h"
#include "optim/schedules.h"

#include <memory>
#include <vector>

namespace eosin::optim {

const std::vector<config::ConfigRow>& optimizer_table();
std::unique_ptr<Optimizer> make_optimizer(const config::Choice& choice, std::vector<ParamGroup> groups);
/// The peak rates that the chosen rule's config has.
const RatesConfig& rates_of(const config::Choice& choice);
/// weight_decay to weight_decay_end on half a cosine over the run.
Schedule weight_decay_schedule(const RatesConfig& rates, int64_t total_steps);

}  // namespace eosin::optim
