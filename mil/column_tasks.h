#pragma once
// Tasks with several columns to predict by one model, an output each: numbers, or yes and no. A bag may lack some.
#include "mil/task.h"

namespace eosin::mil {

struct RegressionConfig {
  std::string loss = "mse";
  double beta = 1;
  void visit(config::Visitor& v) {
    v("loss", loss, "of standardised targets: squared error, or Huber's with its corner at beta", config::OneOf{{"mse", "smooth_l1"}});
    v("beta", beta, "of smooth_l1, in standard deviations of the target", config::Range{0, 1e6, config::kOpenLow});
  }
};

struct MultiLabelConfig {
  std::string imbalance = "none";
  void visit(config::Visitor& v) {
    v("imbalance", imbalance, "weights: a yes counts as often as there are noes for it among the known training bags",
      config::OneOf{{"none", "weights"}});
  }
};

/// Mean over a row's known elements, 0 for a row without one.
///
/// Shapes   loss_MT, known_MT bool -> [M].
Tensor mean_of_known(const Tensor& loss_MT, const Tensor& known_MT);

/// Numbers. The model predicts targets less the mean of the known training bags, over their deviation (population form); answers are in the
/// targets' own units.
class Regression final : public Task {
 public:
  /// Errors   Data: a target with fewer than two different known values among the training bags.
  Regression(const RegressionConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train);
  int64_t n_outputs() const override { return static_cast<int64_t>(outcomes_.targets.size()); }
  RowLoss loss(const std::vector<int64_t>& bags) const override;
  Tensor answers(const Tensor& logits_BT) const override;

 private:
  RegressionConfig config_;
  const Outcomes& outcomes_;
  Tensor mean_T_, deviation_T_;  // float64
};

/// Yes and no, a sigmoid each; answers are probabilities of yes.
class MultiLabel final : public Task {
 public:
  /// Errors   Data: a target without a yes or without a no among the training bags.
  MultiLabel(const MultiLabelConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train);
  int64_t n_outputs() const override { return static_cast<int64_t>(outcomes_.targets.size()); }
  RowLoss loss(const std::vector<int64_t>& bags) const override;
  Tensor answers(const Tensor& logits_BT) const override;

 private:
  const Outcomes& outcomes_;
  Tensor pos_weight_T_;  // undefined: 1
};

}  // namespace eosin::mil
