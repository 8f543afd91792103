#include "ssl/ibot_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/prototype_loss.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor ibot_patch_loss(const Tensor& student_MK, const Tensor& targets_MK, const PatchMasks& masks, double temperature) {
  const int64_t masked = masks.indices_M.size(0);
  EOSIN_CHECK(student_MK.dim() == 2 && student_MK.sizes() == targets_MK.sizes() && student_MK.size(0) == masked, Shape,
              "[ibot] logits of student [{}] and teacher [{}] for {} masked patches", fmt::join(student_MK.sizes().vec(), ", "),
              fmt::join(targets_MK.sizes().vec(), ", "), masked);
  const FullPrecision full_precision;
  const Tensor log_p_MK = at::log_softmax(at_least_float(student_MK) / temperature, -1);
  const Tensor terms_M = (targets_MK * log_p_MK).sum(-1) * masks.weights_M;
  return -terms_M.sum() / static_cast<double>(masks.crops());
}

Tensor ibot_patch_loss(DinoHead& head, const Tensor& tokens_MD, const SoftTargets& targets, const PatchMasks& masks, double temperature) {
  const Tensor terms_1M = pair_cross_entropy(head->project(tokens_MD), head->prototypes(), temperature, targets);
  return (terms_1M * masks.weights_M).sum() / static_cast<double>(masks.crops());
}

}  // namespace eosin::ssl
