#include "train/trainer.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/tensor/device.h"
#include "optim/clip.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <cmath>
#include <map>

namespace eosin::train {
namespace {

std::vector<Tensor> parameters_of(const optim::Optimizer& optimizer) {
  std::vector<Tensor> params;
  for (const auto& group : optimizer.groups()) params.insert(params.end(), group.params.begin(), group.params.end());
  return params;
}

/// Which gradients share a norm; `names` of the modules where a norm is a module's.
struct Clipping {
  optim::ClipGroups groups;
  std::vector<std::string> names;
};

/// `modules[i]` is that of the i-th gradient that is there.
Clipping clipping(const std::string& mode, const std::vector<std::string>& modules) {
  const auto count = static_cast<int64_t>(modules.size());
  if (mode == "per_parameter") return {optim::per_tensor(count), {}};
  if (mode == "global") return {optim::global(count), {}};
  std::map<std::string, std::vector<int64_t>> by_module;
  for (int64_t i = 0; i < count; ++i) by_module[modules[static_cast<size_t>(i)]].push_back(i);
  Clipping out;
  for (auto& [name, members] : by_module) {
    out.groups.push_back(std::move(members));
    out.names.push_back(name);
  }
  return out;
}

}  // namespace

struct Trainer::Norms {
  Tensor values;      // one a group that is clipped together
  Tensor of_modules;  // on log steps, with the modules' names
  std::vector<std::string> modules;
};

struct Trainer::Sums {
  Tensor loss;   // float64, of all micro-steps
  Tensor parts;  // float64 [parts]; undefined unless this is a log step
  std::vector<std::string> part_names;
  std::vector<std::string> batches;  // what was in them, for messages
};

struct Trainer::Verdict {
  bool stop = false, finite = true;
  double loss = 0.0, grad_norm = 0.0;
  NamedValues parts, grad_norms;
};

Trainer::Trainer(TrainConfig config, TrainerParts parts)
    : config_(std::move(config)), parts_(std::move(parts)), sync_(parameters_of(parts_.optimizer), parts_.comm) {
  parts_.optimizer.add_averages(parts_.task.averages());
  progress_.steps = config_.total_steps();
  progress_.accumulate = config_.accumulate;
}

/// Ranks share what such a loss needs; micro-steps come one after another and cannot.
void Trainer::warn_of_batch_losses() const {
  const std::vector<std::string> losses = parts_.task.batch_losses();
  if (config_.accumulate == 1 || losses.empty() || parts_.comm.rank() != 0) return;
  log::warn("[train] train.accumulate={}: {} see{} {} samples at a time, not the {} of a step; gradients differ from those of one large batch",
            config_.accumulate, fmt::join(losses, ", "), losses.size() == 1 ? "s" : "", config_.batch_size / config_.accumulate, config_.batch_size);
}

Outcome Trainer::run() {
  warn_of_batch_losses();
  for (auto& hook : hooks_) hook->start(progress_);
  while (progress_.step < progress_.steps) {
    progress_.log_step = log_step(progress_.step);
    for (auto& hook : hooks_) hook->before(progress_);
    StepReport report = step();
    for (auto& hook : hooks_) hook->after(report);
    EOSIN_CHECK(report.fate != Fate::kAbort, Numeric, "{}", report.reason);
    if (report.stopping && !(report.last() && report.fate == Fate::kGoOn)) return Outcome::kStopped;
    if (report.fate == Fate::kRollBack) roll_back(report.reason);
  }
  EOSIN_CHECK(skipped_ < progress_.steps, Numeric,
              "[train] none of the {} steps was finite: nothing was trained; look for NaN in the weights and the data", skipped_);
  return Outcome::kFinished;
}

void Trainer::run_until(int64_t step) {
  while (progress_.step < step) this->step();
}

Trainer::Examined Trainer::examine() {
  Examined found{FiniteTrace(parts_.task.state().tensors)};
  Sums sums = accumulate_gradients(&found.trace);
  parts_.comm.all_reduce_sum(sums.loss);
  found.loss = sums.loss.item<double>() / (static_cast<double>(config_.accumulate) * parts_.comm.size());
  found.trace.add_gradients(parts_.optimizer.groups());
  parts_.optimizer.zero_grad();
  return found;
}

StepReport Trainer::step() {
  const Progress now = progress_;
  const bool frozen = now.step < config_.freeze_last_layer_steps;
  const optim::Rates rates{parts_.lr(now.step) * lr_factor_, parts_.weight_decay(now.step), frozen, parts_.task.momentum(now)};

  const Sums sums = accumulate_gradients();
  sync_.average();
  const Norms norms = clip_gradients();
  Verdict verdict = agree(sums, norms);

  StepReport report;
  if (verdict.finite) {
    parts_.optimizer.step(rates);
    parts_.task.after_update(now);
    nonfinite_in_a_row_ = 0;
  } else {
    skip(verdict, sums, report);
  }
  parts_.optimizer.zero_grad();
  progress_.step += 1;
  progress_.samples += config_.batch_size;

  report.progress = now;
  report.lr = rates.lr, report.weight_decay = rates.weight_decay;
  report.loss = verdict.loss, report.grad_norm = verdict.grad_norm;
  report.finite = verdict.finite, report.stopping = verdict.stop, report.skipped = skipped_;
  report.parts = std::move(verdict.parts), report.grad_norms = std::move(verdict.grad_norms);
  if (now.log_step) report.schedules = parts_.task.schedule_values(now);
  return report;
}

Loss Trainer::forward() {
  const auto device = parts_.optimizer.groups().at(0).params.at(0).device();
  const device::Autocast autocast(device, config_.precision == "bf16" ? at::kBFloat16 : at::kFloat);
  return parts_.task.loss(progress_);
}

Trainer::Sums Trainer::accumulate_gradients(FiniteTrace* trace) {
  Sums sums;
  for (progress_.micro = 0; progress_.micro < config_.accumulate; ++progress_.micro) {
    parts_.task.load(progress_);
    sums.batches.push_back(parts_.task.describe_batch());
    Loss loss;
    const auto pass = [&] { loss = forward(); };
    trace ? trace->watch(pass) : pass();
    (loss.total / static_cast<double>(config_.accumulate)).backward();

    const Tensor total = loss.total.detach().to(at::kDouble);
    sums.loss = sums.loss.defined() ? sums.loss + total : total;
    if (!progress_.log_step || loss.parts.empty()) continue;
    std::vector<Tensor> values;
    sums.part_names.clear();
    for (const auto& [name, value] : loss.parts) {
      sums.part_names.push_back(name);
      values.push_back(value.detach().to(total.options()).reshape({}));
    }
    const Tensor parts = at::stack(values);
    sums.parts = sums.parts.defined() ? sums.parts + parts : parts;
  }
  progress_.micro = 0;
  return sums;
}

Trainer::Norms Trainer::clip_gradients() {
  std::vector<Tensor> grads;
  std::vector<std::string> modules;
  for (const auto& group : parts_.optimizer.groups())
    for (const auto& param : group.params) {
      if (!param.grad().defined()) continue;
      grads.push_back(param.grad());
      modules.push_back(group.clip_group);
    }
  Norms norms;
  if (progress_.log_step) {
    Clipping by_module = clipping("per_module", modules);
    norms.of_modules = optim::group_norms(grads, by_module.groups), norms.modules = std::move(by_module.names);
  }
  norms.values = config_.clip_grad == 0.0 ? optim::group_norms(grads, optim::global(static_cast<int64_t>(grads.size())))
                                          : optim::clip_by_norm(grads, clipping(config_.clip_mode, modules).groups, config_.clip_grad);
  return norms;
}

/// One small tensor carries everything that the ranks must agree on, and is the step's only wait for the device.
Trainer::Verdict Trainer::agree(const Sums& sums, const Norms& norms) {
  at::NoGradGuard no_grad;
  const Tensor norm = norms.values.to(sums.loss.options()).norm();
  const Tensor bad = sums.loss.isfinite().logical_and(norm.isfinite()).logical_not().to(at::kDouble);
  const Tensor stop = at::full_like(sums.loss, stop::requested() ? 1.0 : 0.0);
  Tensor shared = at::stack({stop, bad, sums.loss});
  if (sums.parts.defined()) shared = at::cat({shared, sums.parts});
  parts_.comm.all_reduce_sum(shared);
  std::vector<Tensor> all = {shared, norm.reshape({1})};
  if (norms.of_modules.defined()) all.push_back(norms.of_modules.to(sums.loss.options()));
  const Tensor host = at::cat(all).cpu();

  const double* values = host.const_data_ptr<double>();
  const double count = static_cast<double>(config_.accumulate) * parts_.comm.size();
  Verdict verdict;
  verdict.stop = values[0] > 0.0;
  verdict.finite = values[1] == 0.0;
  verdict.loss = values[2] / count;
  for (size_t i = 0; i < sums.part_names.size(); ++i) verdict.parts.emplace_back(sums.part_names[i], values[3 + i] / count);
  const double* own = values + shared.numel();
  verdict.grad_norm = own[0];
  for (size_t i = 0; i < norms.modules.size(); ++i) verdict.grad_norms.emplace_back(norms.modules[i], own[1 + i]);
  return verdict;
}

/// The first value that is not finite, as this rank sees it. All ranks call it, for the pass may hold collectives.
std::string Trainer::find_fault() {
  FiniteTrace trace(parts_.task.state().tensors);
  progress_.micro = config_.accumulate - 1;  // whose batch is still there
  trace.watch([&] {
    const at::NoGradGuard no_grad;
    forward();
  });
  progress_.micro = 0;
  trace.add_gradients(parts_.optimizer.groups());
  const std::string fault = trace.fault();
  return fault.empty() ? "what is not finite belongs to another rank or micro-step" : fault;
}

void Trainer::skip(const Verdict& verdict, const Sums& sums, StepReport& report) {
  ++skipped_;
  ++nonfinite_in_a_row_;
  const std::string what =
      fmt::format("[train] step {}: loss {} and gradient norm {} are not both finite", progress_.step + 1, verdict.loss, verdict.grad_norm);
  if (nonfinite_in_a_row_ == 1) report.fault = find_fault();
  log::warn("{}; the step is skipped (rank {}: {}{}{})", what, parts_.comm.rank(), report.fault,
            report.fault.empty() ? "" : "; samples: ", fmt::join(sums.batches, "; "));
  if (config_.on_nan == "abort") {
    report.judge(Fate::kAbort, what + "; train.on_nan is abort");
  } else if (nonfinite_in_a_row_ >= config_.max_nonfinite) {
    const std::string in_a_row = fmt::format("{} in {} steps in a row", what, nonfinite_in_a_row_);
    report.judge(config_.on_nan == "rollback" ? Fate::kRollBack : Fate::kAbort,
                 in_a_row + "; log.txt names their samples: lower optim.lr, clip harder, or train in fp32");
  }
}

void Trainer::roll_back(const std::string& reason) {
  EOSIN_CHECK(rollbacks_ < config_.max_rollbacks, Numeric, "{}; the run went back to a checkpoint {} times already (train.max_rollbacks)", reason,
              rollbacks_);
  const auto saved = parts_.last_checkpoint ? parts_.last_checkpoint() : std::nullopt;
  EOSIN_CHECK(saved, Numeric, "{}; there is no checkpoint yet to go back to", reason);
  parts_.task.load_objective(saved->part("task"));
  parts_.optimizer.load_state(saved->part("optim"));
  const int64_t from = progress_.step;
  progress_.step = saved->part("trainer").values.at("step");
  nonfinite_in_a_row_ = 0;
  ++rollbacks_;
  log::warn("{}: back to the checkpoint after step {}, on with other tiles (roll-back {} of {})", reason, progress_.step, rollbacks_,
            config_.max_rollbacks);
  for (auto& hook : hooks_) hook->rolled_back(progress_, from - progress_.step);
}

bool Trainer::log_step(int64_t step) const { return step == 0 || (step + 1) % config_.log_every == 0 || step + 1 == progress_.steps; }

State Trainer::state() {
  State state;
  state.add("task", parts_.task.state());
  state.add("optim", parts_.optimizer.state());
  state.values["trainer"] = {
      {"step", progress_.step},  {"samples", progress_.samples}, {"skipped", skipped_}, {"nonfinite_in_a_row", nonfinite_in_a_row_},
      {"rollbacks", rollbacks_}, {"lr_factor", lr_factor_},      {"hooks", memory_}};
  return state;
}

void Trainer::load_state(const State& state) {
  parts_.task.load_state(state.part("task"));
  parts_.optimizer.load_state(state.part("optim"));
  const auto counters = state.part("trainer").values;
  progress_.step = counters.at("step"), progress_.samples = counters.at("samples");
  skipped_ = counters.at("skipped"), nonfinite_in_a_row_ = counters.at("nonfinite_in_a_row");
  rollbacks_ = counters.value("rollbacks", int64_t{0}), lr_factor_ = counters.value("lr_factor", 1.0);  // which the first checkpoints lack
  memory_ = counters.value("hooks", nlohmann::json::object());
}

}  // namespace eosin::train
