#include "ssl/classification_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

bool are_shares(const Tensor& labels) { return labels.dim() == 2; }

}  // namespace

Tensor classification_loss(const Tensor& logits_NC, const Tensor& labels, double label_smoothing, const Tensor& weight_C) {
  EOSIN_CHECK(
      logits_NC.dim() == 2 && (are_shares(labels) ? labels.sizes() == logits_NC.sizes() : labels.dim() == 1) && labels.size(0) == logits_NC.size(0),
      Shape, "[classification_loss] logits of [{}] and labels of [{}] (need [N, C] and N, or twice [N, C])", fmt::join(logits_NC.sizes().vec(), ", "),
      fmt::join(labels.sizes().vec(), ", "));
  const FullPrecision full;
  const Tensor logits = at_least_float(logits_NC);
  const Tensor targets = are_shares(labels) ? labels.to(logits.scalar_type()) : labels;
  const Tensor loss_N = at::cross_entropy_loss(logits, targets, {}, at::Reduction::None, -100, label_smoothing);
  if (!weight_C.defined()) return loss_N.mean();
  const Tensor weight = weight_C.to(logits.options());
  return (loss_N * (are_shares(labels) ? targets.matmul(weight) : weight.index_select(0, labels))).mean();
}

Tensor accuracy(const Tensor& logits_NC, const Tensor& labels) {
  const Tensor wanted = are_shares(labels) ? labels.argmax(1) : labels;
  return logits_NC.detach().argmax(1).eq(wanted).to(at::kFloat).mean();
}

}  // namespace eosin::ssl
