#pragma once
// A small real training problem: a two-layer network with a moving-average teacher learns a fixed function of counted samples.
#include "core/tensor/comm.h"
#include "optim/adamw.h"
#include "train/trainer.h"
#include "train/typed_task.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

namespace eosin::train::toy {

struct Batch {
  Tensor x_NI, y_N;
  std::vector<data::SampleId> ids;
};

inline Batch to_device(Batch batch, c10::Device) { return batch; }

constexpr int64_t kInputs = 5, kHidden = 7;

/// Sample i is a formula of i, so any split over ranks and micro-steps sees the same samples in the same order.
class Source final : public data::BatchSource<Batch> {
 public:
  Source(int64_t micro_batch, int rank, int world) : micro_batch_(micro_batch), rank_(rank), world_(world) {}
  Batch next() override {
    Batch batch{at::empty({micro_batch_, kInputs}), at::empty({micro_batch_}), {}};
    const int64_t first = (cursor_ * world_ + rank_) * micro_batch_;
    for (int64_t i = 0; i < micro_batch_; ++i) {
      const auto n = static_cast<double>(first + i);
      for (int64_t k = 0; k < kInputs; ++k) batch.x_NI[i][k] = std::sin(1.3 * n + 0.7 * static_cast<double>(k * k));
      batch.y_N[i] = std::cos(0.9 * n);
      batch.ids.push_back({static_cast<int32_t>(rank_), first + i, 0});
    }
    ++cursor_;
    return batch;
  }
  State state() override {
    State s;
    s.values["cursor"] = cursor_;
    return s;
  }
  void load_state(const State& s) override { cursor_ = s.values.at("cursor"); }
  double wait_seconds() const override { return 0.0; }

 private:
  int64_t micro_batch_;
  int rank_, world_;
  int64_t cursor_ = 0;
};

class Net final : public Objective<Batch> {
 public:
  at::ScalarType hidden_type = at::kFloat;      // of the last forward pass
  std::set<int64_t> poisoned_steps;             // the loss of these is not a number
  std::set<int64_t> poisoned_samples;           // nor that of a batch with one of these
  std::vector<std::string> whole_batch_losses;  // what it says that they are

  Net() {
    body_ = register_module("body", torch::nn::Linear(kInputs, kHidden));
    last_layer_ = register_module("last_layer", torch::nn::Linear(kHidden, 1));
    at::NoGradGuard no_grad;
    double n = 0.0;
    for (auto& p : parameters()) p.copy_(at::arange(p.numel(), at::kFloat).add(n += 11.0).sin().mul(0.5).reshape(p.sizes()));
    teacher_ = body_->weight.detach().clone();
  }
  Loss forward(const Batch& batch, const Progress& progress) override {
    const Tensor hidden_NH = body_->forward(batch.x_NI).tanh();
    hidden_type = hidden_NH.scalar_type();
    const Tensor y_N = last_layer_->forward(hidden_NH).squeeze(1);
    Tensor total = (y_N - batch.y_N).square().mean();
    const bool bad_sample = std::any_of(batch.ids.begin(), batch.ids.end(), [&](const auto& id) { return poisoned_samples.contains(id.x); });
    if (poisoned_steps.contains(progress.step) || bad_sample) total = total * NAN;
    return {total, {{"error", (y_N - batch.y_N).abs().mean()}}};
  }
  std::vector<ParamGroup> param_groups() override {
    auto groups = optim::group_params(named("body."), optim::dino_rule(), "body");
    for (auto& g : optim::group_params(named("last_layer."), optim::dino_rule(), "head")) groups.push_back(std::move(g));
    return groups;
  }
  std::vector<MovingAverage> averages() override { return {{teacher_, body_->weight}}; }
  double momentum(const Progress&) const override { return 0.9; }
  std::vector<std::pair<std::string, double>> schedule_values(const Progress& p) const override { return {{"momentum", 0.9}}; }
  std::vector<std::string> batch_losses() const override { return whole_batch_losses; }
  State state() override {
    State s;
    for (const auto& p : named_parameters()) s.tensors.emplace(p.key(), p.value().detach());
    s.tensors.emplace("teacher", teacher_);
    return s;
  }
  void load_state(const State& s) override {
    at::NoGradGuard no_grad;
    for (auto& [name, tensor] : state().tensors) tensor.copy_(s.tensors.at(name));
  }

 private:
  std::vector<std::pair<std::string, Tensor>> named(const std::string& prefix) {
    std::vector<std::pair<std::string, Tensor>> found;
    for (const auto& p : named_parameters())
      if (p.key().starts_with(prefix)) found.emplace_back(p.key(), p.value());
    return found;
  }

  torch::nn::Linear body_{nullptr}, last_layer_{nullptr};
  Tensor teacher_;
};

inline TrainConfig config(int64_t steps, int64_t batch_size = 12) {
  TrainConfig c;
  c.steps = steps, c.batch_size = batch_size, c.log_every = 2;
  return c;
}

/// Everything of one run.
struct Run {
  std::shared_ptr<Comm> comm;
  std::shared_ptr<Net> net = std::make_shared<Net>();
  TypedTask<Batch> task;
  optim::AdamW optimizer;
  Trainer trainer;

  explicit Run(const TrainConfig& c, std::shared_ptr<Comm> ranks = make_single_comm(), std::function<std::optional<State>()> last_checkpoint = {})
      : comm(std::move(ranks)),
        task(std::make_shared<Source>(c.micro_batch(comm->size()), comm->rank(), comm->size()), net, at::kCPU),
        optimizer({}, task.param_groups()),
        trainer(c, {task, optimizer, *comm, [](int64_t step) { return 0.02 / (1.0 + static_cast<double>(step)); }, [](int64_t) { return 0.1; },
                    std::move(last_checkpoint)}) {}
};

/// A state that later steps do not touch.
inline State frozen(State state) {
  for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
  return state;
}

}  // namespace eosin::train::toy
