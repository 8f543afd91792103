#pragma once
// The base of every update rule: owns groups and per-parameter state keyed by name, so that a checkpoint fits any grouping.
#include "core/tensor/state.h"
#include "optim/param_groups.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace eosin::optim {

/// A tensor that follows a parameter (a teacher's): average <- momentum * average + (1 - momentum) * parameter.
struct MovingAverage {
  Tensor average, parameter;
};
/// `averages[i]` follows `parameters[i]`.
/// Errors   Internal if the lists differ in length.
std::vector<MovingAverage> follow(const std::vector<Tensor>& averages, const std::vector<Tensor>& parameters);

/// What the schedules say for one step; a group multiplies them by its own scales.
struct Rates {
  double lr = 0.0;
  double weight_decay = 0.0;
  bool freeze_last_layer = false;  // groups marked last_layer are left out, moments and counters included, unless frozen_moves
  double ema_momentum = 1.0;       // of the averages that follow parameters
};

/// A step with non-finite gradients must not be taken: the caller decides (train/trainer.h) and does not call step(), so no state moves.
class Optimizer {
 public:
  /// Errors   Internal if a name belongs to two groups; Config naming the first parameter that is not float32 or float64.
  Optimizer(std::string rule, std::vector<ParamGroup> groups);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const std::string& rule() const { return rule_; }
  const std::vector<ParamGroup>& groups() const { return groups_; }

  /// From now on every step also moves these averages, in its one pass over memory. They belong to their owner, who saves them too.
  void add_averages(std::vector<MovingAverage> averages);

  /// One update of every parameter that has a gradient; the others stay untouched and stateless. Gradients are only read.
  /// Averages follow all their parameters, updated or not.
  virtual void step(const Rates& rates) = 0;
  /// Drops all gradients.
  void zero_grad();

  /// Tensors "<parameter>/<slot>"; values: rule and the updates done per parameter.
  State state() const;
  /// Errors   Config if the state is another rule's (both are named); Data naming a parameter or slot that this model does not have;
  ///          Shape with both shapes.
  void load_state(const State& state);

 protected:
  struct Memory {
    int64_t steps = 0;  // updates done
    TensorMap slots;
  };
  /// The parameter's memory; a slot that is missing starts as zeros like the parameter.
  Memory& memory(const std::string& name, const Tensor& param, const std::vector<std::string>& slots);
  /// By parameter.
  const std::map<const c10::TensorImpl*, MovingAverage>& averages() const { return averages_; }

 private:
  std::string rule_;
  std::vector<ParamGroup> groups_;
  std::map<std::string, Memory> memories_;
  std::map<const c10::TensorImpl*, MovingAverage> averages_;
};

}  // namespace eosin::optim
