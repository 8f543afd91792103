#pragma once
// What the loop sees: a source of batches joined with an objective.
#include "train/objective.h"

#include <memory>

namespace eosin::train {

class Task {
 public:
  virtual ~Task() = default;
  /// Makes the next batch current (blocks on the loader).
  virtual void load(const Progress& progress) = 0;
  /// May be called again on the same batch: SAM, line search, curvature.
  virtual Loss loss(const Progress& progress) = 0;
  virtual void after_update(const Progress& progress) = 0;
  virtual std::vector<ParamGroup> param_groups() = 0;
  /// As Objective::averages() and momentum().
  virtual std::vector<MovingAverage> averages() = 0;
  virtual double momentum(const Progress& progress) const = 0;
  virtual std::vector<std::pair<std::string, double>> schedule_values(const Progress& progress) const = 0;
  /// As Objective::batch_losses().
  virtual std::vector<std::string> batch_losses() const { return {}; }
  /// Objective's state and the cursor of the data.
  virtual State state() = 0;
  virtual void load_state(const State& state) = 0;
  /// Of such a state the objective alone: the data go on from where they are.
  virtual void load_objective(const State& state) = 0;
  /// Seconds that load() has waited for data since the start.
  virtual double data_wait_seconds() const = 0;
  /// Names the tiles of the current batch for messages (a non-finite loss).
  virtual std::string describe_batch() const = 0;
};

}  // namespace eosin::train
