#include "optim/adamw.h"

#include "core/kernels/adamw.h"

#include <ATen/ATen.h>

namespace eosin::optim {

AdamW::AdamW(AdamWConfig config, std::vector<ParamGroup> groups) : Optimizer("adamw", std::move(groups)), config_(std::move(config)) {}

void AdamW::step(const Rates& rates) {
  std::vector<std::string> slots = {"exp_avg", "exp_avg_sq"};
  if (config_.amsgrad) slots.emplace_back("max_exp_avg_sq");
  std::vector<kernels::AdamWTensor> updates;
  auto resting = averages();  // those whose parameter has no update
  for (const auto& group : groups()) {
    const bool frozen = group.last_layer && rates.freeze_last_layer;
    if (frozen && !group.frozen_moves) continue;
    for (size_t i = 0; i < group.params.size(); ++i) {
      const Tensor &param = group.params[i], &grad = param.grad();
      if (!grad.defined()) continue;
      Memory& m = memory(group.names[i], param, slots);
      kernels::AdamWTensor update;
      update.p = param.detach(), update.g = grad.contiguous();
      update.m = m.slots.at("exp_avg"), update.v = m.slots.at("exp_avg_sq");
      if (config_.amsgrad) update.vmax = m.slots.at("max_exp_avg_sq");
      if (const auto followed = resting.extract(param.unsafeGetTensorImpl())) update.ema = followed.mapped().average;
      update.step = ++m.steps;
      update.lr = frozen ? 0 : group.lr(rates.lr), update.weight_decay = group.weight_decay(rates.weight_decay);
      updates.push_back(std::move(update));
    }
  }
  for (const auto& [key, pair] : resting) {
    kernels::AdamWTensor& alone = updates.emplace_back();
    alone.p = pair.parameter.detach(), alone.ema = pair.average;
  }
  kernels::AdamWOptions options;
  options.ema_momentum = rates.ema_momentum;
  options.beta1 = config_.betas[0], options.beta2 = config_.betas[1], options.eps = config_.eps;
  kernels::adamw_step(updates, options);
}

}  // namespace eosin::optim
