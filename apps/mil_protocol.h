#pragma once
// The two ways to choose: on a validation part of the training side (honest), or on the test part, as papers do (to match, never to believe).
#include "apps/mil_inputs.h"
#include "eval/split_plan.h"
#include "mil/grid.h"

#include <string>
#include <vector>

namespace eosin::apps {

/// A protocol of papers.
struct PaperProtocol {
  std::string name, one_line, source;
  std::string select;            // last, val_loss, val_auroc, val_accuracy (at its own best threshold)
  std::string threshold;         // half, or validation
  bool val_is_test = true;       // what validates is the test part, and what would validate trains
  bool standardize_all = false;  // features by mean and deviation over the whole cohort
  int64_t patience = 0, min_epochs = 0;
  mil::Sampling sampling = mil::Sampling::Natural;
  std::string splits = {};               // the rule that `splits` must be, or files; empty: any
  std::vector<std::string> differences;  // from the honest one, in words
};
const std::vector<PaperProtocol>& paper_protocols();

/// The splits as the models of one protocol see them.
struct Arena {
  std::string protocol;  // "honest", or a paper's
  std::string threshold;
  std::vector<std::string> differences;
  std::vector<mil::Fold> folds;  // one a split
};
/// Honest first, then the paper's if the config names one. The inputs must outlive it.
///
/// Errors   Data: what fit_task says, naming the split; a validation part without a class that train.select needs.
std::vector<Arena> make_arenas(const MilConfig& config, const MilInputs& inputs, const eval::SplitPlan& plan);

/// From which probability of class 1 it is predicted. Absent where there are not two classes; 0.5 where the part has one class only.
std::optional<double> threshold_of(const Arena& arena, const MilInputs& inputs, const mil::Fold& fold, const Tensor& val_MC);

}  // namespace eosin::apps
