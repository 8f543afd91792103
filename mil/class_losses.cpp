#include "mil/class_losses.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::mil {
namespace {

void check_labels(const Tensor& logits, const Tensor& labels_M, int64_t n_classes, const char* where) {
  EOSIN_CHECK(logits.dim() == 2 && labels_M.dim() == 1 && logits.size(0) == labels_M.size(0), Shape,
              "[{}] labels [{}] for logits [{}] (need [M], [M, C])", where, fmt::join(labels_M.sizes().vec(), ", "),
              fmt::join(logits.sizes().vec(), ", "));
  if (labels_M.numel() == 0) return;
  const auto low = labels_M.min().item<int64_t>(), high = labels_M.max().item<int64_t>();
  EOSIN_CHECK(low >= 0 && high < n_classes, Data, "[{}] label {} (need 0 to {})", where, low < 0 ? low : high, n_classes - 1);
}

/// softplus(x) - t x, at any x.
Tensor bce_with_logits(const Tensor& x, const Tensor& t, const Tensor& pos_weight) {
  return at::binary_cross_entropy_with_logits(x, t, {}, pos_weight.defined() ? std::optional<Tensor>(pos_weight) : std::nullopt, at::Reduction::None);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits_MC, const Tensor& labels_M) {
  check_labels(logits_MC, labels_M, logits_MC.size(-1), "cross_entropy");
  return -at_least_float(logits_MC).log_softmax(1).gather(1, labels_M.unsqueeze(1)).squeeze(1);
}

Tensor multi_label_loss(const Tensor& logits_MC, const Tensor& targets_MC, const BceWeights& weights) {
  EOSIN_CHECK(logits_MC.dim() == 2 && logits_MC.sizes() == targets_MC.sizes(), Shape, "[multi_label_loss] targets [{}] for logits [{}]",
              fmt::join(targets_MC.sizes().vec(), ", "), fmt::join(logits_MC.sizes().vec(), ", "));
  const Tensor x = at_least_float(logits_MC);
  return weights.weight * bce_with_logits(x, targets_MC.to(x.scalar_type()), weights.pos_weight_C).mean(1);
}

Tensor bernoulli_nll(const Tensor& prob_M, const Tensor& targets_M, double clamp) {
  EOSIN_CHECK(prob_M.sizes() == targets_M.sizes(), Shape, "[bernoulli_nll] {} targets for {} probabilities", targets_M.numel(), prob_M.numel());
  const Tensor p = at_least_float(prob_M).clamp(clamp, 1 - clamp), y = targets_M.to(p.scalar_type());
  return -(y * p.log() + (1 - y) * (1 - p).log());
}

Tensor smooth_top1_svm(const Tensor& x_MC, const Tensor& labels_M, const SmoothSvm& svm) {
  check_labels(x_MC, labels_M, x_MC.size(-1), "smooth_top1_svm");
  EOSIN_CHECK(x_MC.size(1) > 1, Shape, "[smooth_top1_svm] one class alone has no margin (need at least 2)");
  const FullPrecision full_precision;
  const Tensor x = at_least_float(x_MC), y_M1 = labels_M.unsqueeze(1);
  const Tensor margin_MC = at::full_like(x, svm.alpha).scatter(1, y_M1, 0);
  const Tensor s_MC = x + margin_MC - x.gather(1, y_M1);
  const Tensor smooth_M = svm.tau * (s_MC / svm.tau).logsumexp(1), hard_M = std::get<0>(s_MC.max(1));
  const Tensor two = std::get<0>(x.detach().topk(2, 1));
  const Tensor is_hard = (two.select(1, 0) - two.select(1, 1)).ge(svm.tau * std::log(svm.thresh));
  return at::where(is_hard, hard_M, smooth_M);
}

Tensor focal_loss(const Tensor& logits_MC, const Tensor& labels_M, double gamma) {
  const Tensor ce_M = cross_entropy(logits_MC, labels_M);
  return gamma == 0 ? ce_M : (-at::expm1(-ce_M)).clamp_min(1e-12).pow(gamma) * ce_M;
}

Tensor adjust_logits(const Tensor& logits_MC, const Tensor& counts_C, double tau) {
  EOSIN_CHECK(counts_C.dim() == 1 && counts_C.size(0) == logits_MC.size(-1), Shape, "[adjust_logits] {} counts for {} classes", counts_C.numel(),
              logits_MC.size(-1));
  EOSIN_CHECK(counts_C.min().item<double>() > 0, Data, "[adjust_logits] a class has no example in the training part");
  const Tensor counts = counts_C.to(at::kDouble);
  return logits_MC + (tau * (counts / counts.sum()).log()).to(logits_MC.options());
}

Tensor ordinal_loss(const Tensor& logits_MK, const Tensor& labels_M) {
  check_labels(logits_MK, labels_M, logits_MK.size(-1) + 1, "ordinal_loss");
  const Tensor x = at_least_float(logits_MK);
  const Tensor above = labels_M.unsqueeze(1).gt(at::arange(x.size(1), labels_M.options())).to(x.scalar_type());
  return bce_with_logits(x, above, {}).sum(1);
}

Tensor ordinal_probabilities(const Tensor& logits_MK) {
  const Tensor above = std::get<0>(at_least_float(logits_MK).sigmoid().sort(1, /*descending=*/true));
  const Tensor one = at::ones({above.size(0), 1}, above.options());
  return at::cat({one, above}, 1) - at::cat({above, at::zeros_like(one)}, 1);
}

}  // namespace eosin::mil
