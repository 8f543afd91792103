#include "mil/head.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

/// Mean of each bag's values, 0 for a bag that has none.
Tensor mean_by_bag(const Tensor& values_M, const Tensor& bag_M, int64_t n_bags) {
  const Tensor zero = at::zeros({n_bags}, values_M.options());
  const Tensor counts = zero.index_add(0, bag_M, at::ones_like(values_M)).clamp_min(1);
  return zero.index_add(0, bag_M, values_M) / counts;
}

}  // namespace

Pass pass_of_bag(const Pass& pass, int64_t b) {
  Pass one = pass;
  if (one.draws) one.draws->position += static_cast<uint64_t>(b);
  return one;
}

Tensor bag_losses(const HeadOutput& out, const RowLoss& row_loss) {
  const FullPrecision full_precision;
  const int64_t n = out.logits_BC.size(0);
  const auto options = out.logits_BC.options().dtype(at::kLong);
  Tensor total_B = out.logits_weight * row_loss(out.logits_BC, at::arange(n, options));
  for (const BranchLogits& branch : out.branches) {
    const Tensor bag_M = branch.bag_M.to(options.device());
    total_B = total_B + branch.weight * mean_by_bag(row_loss(branch.logits_MC, bag_M), bag_M, n);
  }
  for (const BagLoss& own : out.losses) {
    EOSIN_ASSERT(own.loss_B.numel() == n);
    total_B = total_B + own.weight * own.loss_B;
  }
  return total_B;
}

Prediction predict(const Tensor& logits_BC) {
  if (logits_BC.size(1) == 1) {
    const Tensor prob_B1 = at_least_float(logits_BC).sigmoid();
    return {prob_B1, prob_B1.detach().select(1, 0).ge(0.5).to(at::kLong)};
  }
  std::vector<Tensor> best;
  for (const Tensor& row : logits_BC.unbind(0)) best.push_back(top_indices(row.detach(), 1));
  return {at_least_float(logits_BC).softmax(1), at::cat(best)};
}

}  // namespace eosin::mil
