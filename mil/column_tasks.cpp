#include "mil/column_tasks.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

namespace eosin::mil {
namespace {

/// What is known of some bags: values in float64, 0 where unknown.
struct Columns {
  Tensor value_BT, known_BT;
};

Columns columns_of(const Outcomes& o, const std::vector<int64_t>& bags) {
  const auto targets = static_cast<int64_t>(o.targets.size());
  Tensor value_BT = at::empty({static_cast<int64_t>(bags.size()), targets}, at::kDouble);
  double* into = value_BT.mutable_data_ptr<double>();
  for (const int64_t b : bags)
    for (int64_t t = 0; t < targets; ++t) *into++ = o.values.at(static_cast<size_t>(b * targets + t));
  const Tensor known_BT = value_BT.isfinite();
  return {at::where(known_BT, value_BT, at::zeros_like(value_BT)), known_BT};
}

/// Each target needs two different values to learn from.
void check_training(const Outcomes& o, const Columns& c, const std::vector<int64_t>& train) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (size_t t = 0; t < o.targets.size(); ++t) {
    const Tensor value_B = c.value_BT.select(1, static_cast<int64_t>(t)), known_B = c.known_BT.select(1, static_cast<int64_t>(t));
    const double low = value_B.masked_fill(known_B.logical_not(), infinity).min().item<double>();
    const double high = value_B.masked_fill(known_B.logical_not(), -infinity).max().item<double>();
    EOSIN_CHECK(low < high, Data, "[mil] target '{}' has {} known values among {} training bags, {}; leave the column out, or use fewer folds",
                o.targets[t], known_B.sum().item<int64_t>(), train.size(), low == high ? "all of them equal" : "too few to learn from");
  }
}

}  // namespace

Tensor mean_of_known(const Tensor& loss_MT, const Tensor& known_MT) {
  const Tensor weight_MT = known_MT.to(loss_MT.scalar_type());
  return (loss_MT * weight_MT).sum(1) / weight_MT.sum(1).clamp_min(1);
}

Regression::Regression(const RegressionConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train)
    : config_(config), outcomes_(outcomes) {
  const Columns c = columns_of(outcomes, train);
  check_training(outcomes, c, train);
  const Tensor weight_BT = c.known_BT.to(at::kDouble), count_T = weight_BT.sum(0);
  mean_T_ = c.value_BT.sum(0) / count_T;
  deviation_T_ = ((c.value_BT - mean_T_).square() * weight_BT).sum(0).div(count_T).sqrt();
}

RowLoss Regression::loss(const std::vector<int64_t>& bags) const {
  const Columns c = columns_of(outcomes_, bags);
  return [config = config_, z_BT = (c.value_BT - mean_T_) / deviation_T_, known_BT = c.known_BT](const Tensor& logits_MT, const Tensor& bag_M) {
    const Tensor x_MT = at_least_float(logits_MT), z_MT = z_BT.index_select(0, bag_M).to(x_MT.scalar_type());
    const Tensor loss_MT = config.loss == "mse" ? (x_MT - z_MT).square() : at::smooth_l1_loss(x_MT, z_MT, at::Reduction::None, config.beta);
    return mean_of_known(loss_MT, known_BT.index_select(0, bag_M));
  };
}

Tensor Regression::answers(const Tensor& logits_BT) const {
  return (logits_BT.to(at::kDouble) * deviation_T_ + mean_T_).to(at_least_float(logits_BT).scalar_type());
}

MultiLabel::MultiLabel(const MultiLabelConfig& config, const Outcomes& outcomes, const std::vector<int64_t>& train) : outcomes_(outcomes) {
  const Columns c = columns_of(outcomes, train);
  check_training(outcomes, c, train);
  const Tensor yes_T = c.value_BT.sum(0);
  if (config.imbalance == "weights") pos_weight_T_ = (c.known_BT.sum(0) - yes_T) / yes_T;
}

RowLoss MultiLabel::loss(const std::vector<int64_t>& bags) const {
  const Columns c = columns_of(outcomes_, bags);
  return [pos_weight = pos_weight_T_, value_BT = c.value_BT, known_BT = c.known_BT](const Tensor& logits_MT, const Tensor& bag_M) {
    const Tensor x_MT = at_least_float(logits_MT), y_MT = value_BT.index_select(0, bag_M).to(x_MT.scalar_type());
    const std::optional<Tensor> weight = pos_weight.defined() ? std::optional(pos_weight.to(x_MT.scalar_type())) : std::nullopt;
    return mean_of_known(at::binary_cross_entropy_with_logits(x_MT, y_MT, {}, weight, at::Reduction::None), known_BT.index_select(0, bag_M));
  };
}

Tensor MultiLabel::answers(const Tensor& logits_BT) const { return at_least_float(logits_BT).sigmoid(); }

}  // namespace eosin::mil
