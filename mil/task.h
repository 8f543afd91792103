#pragma once
// What a head is trained for: its outputs, the loss of its logits, and what they say of a bag.
#include "core/base/config.h"
#include "data/cohort.h"
#include "mil/head.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::mil {

/// What is known of every bag of a cohort: a class; a time and whether the event was seen (1) or the bag was censored (0); or several targets.
struct Outcomes {
  int64_t n_classes = 0;
  std::vector<int64_t> label;
  std::vector<double> time;
  std::vector<int64_t> event;
  std::vector<std::string> targets = {};  // their names
  std::vector<double> values = {};        // bag by bag, a value a target: a number, or 0 or 1; NaN: unknown
};

/// Fitted on the training bags of one split (class frequencies, bins of time), which is all that it knows of the cohort's distribution.
class Task {
 public:
  virtual ~Task() = default;
  virtual int64_t n_outputs() const = 0;
  /// Of the rows of a step's bags, which are these of the cohort.
  virtual RowLoss loss(const std::vector<int64_t>& bags) const = 0;
  /// Class: probabilities [B, classes]. Survival: risk [B, 1], higher is earlier. Targets: numbers, or probabilities of 1, [B, targets].
  virtual Tensor answers(const Tensor& logits_BC) const = 0;
};

/// classes, ordinal, hazards, cox, regression, multi_label.
const std::vector<config::ConfigRow>& task_table();
/// What the task must be told of bags.
data::Outcome outcome_of(const config::Choice& task);
/// Errors   Data: a class without a training bag where the loss needs its frequency; fewer distinct times of events than bins; no event to train on;
///          a target without two different known values.
/// Checked  tests/mil/test_task.cpp.
std::unique_ptr<const Task> fit_task(const config::Choice& task, const Outcomes& outcomes, const std::vector<int64_t>& train);

}  // namespace eosin::mil
