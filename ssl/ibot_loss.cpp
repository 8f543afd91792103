#include "ssl/ibot_loss.h"

#include "core/base/error.h"
#include "ssl/prototype_loss.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor ibot_patch_loss(const Tensor& points_MD, const Tensor& prototypes_KD, const SoftTargets& targets, const PatchMasks& masks,
                       double temperature) {
  const int64_t masked = masks.indices_M.size(0);
  EOSIN_CHECK(points_MD.size(0) == masked && targets.rows() == masked, Shape,
              "[ibot] {} rows of the student and {} of the teacher for {} masked patches", points_MD.size(0), targets.rows(), masked);
  const Tensor terms_1M = pair_cross_entropy(points_MD, prototypes_KD, temperature, targets);
  return (terms_1M * masks.weights_M).sum() / static_cast<double>(masks.crops());
}

}  // namespace eosin::ssl
