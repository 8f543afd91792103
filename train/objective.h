#pragma once
// What an SSL method, a MIL head or an alignment loss is to the trainer: a module that turns a batch into a loss.
#include "core/tensor/state.h"
#include "optim/optimizer.h"
#include "train/progress.h"

#include <torch/nn/module.h>

#include <string>
#include <utility>
#include <vector>

namespace eosin::train {

/// `parts` feed the log (and gradient surgery): scalars on the device, in the order the method names them. They need not add up
/// to `total`: diagnostics such as teacher entropy ride along without gradient.
struct Loss {
  Tensor total;
  std::vector<std::pair<std::string, Tensor>> parts;
};

/// Parameters with one rule for learning rate, decay, freezing and clipping.
using optim::MovingAverage;
using optim::ParamGroup;

/// No backward, no optimizer, no process-group creation inside.
template <class Batch>
class Objective : public torch::nn::Module {
 public:
  virtual Loss forward(const Batch& batch, const Progress& progress) = 0;
  /// Centre, queue. Called once a step, after the optimizer.
  virtual void after_update(const Progress& progress) {}
  /// The parameters that are trained, grouped.
  virtual std::vector<ParamGroup> param_groups() = 0;
  /// A teacher that follows its student: moved by the optimizer in the same pass over memory, by this step's momentum.
  virtual std::vector<MovingAverage> averages() { return {}; }
  virtual double momentum(const Progress& progress) const { return 1.0; }
  /// Values of this step's own schedules (momentum, teacher_temp) for the log.
  virtual std::vector<std::pair<std::string, double>> schedule_values(const Progress& progress) const { return {}; }
  /// Names of the losses that look at all samples of a micro-step at once. Accumulated micro-steps give other gradients to these than one
  /// batch would; ranks do not.
  virtual std::vector<std::string> batch_losses() const { return {}; }
  /// Everything that a resumed run needs: parameters and buffers of student and teacher, centre, counters.
  virtual State state() = 0;
  virtual void load_state(const State& state) = 0;
};

}  // namespace eosin::train
