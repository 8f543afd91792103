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

void IbotCenters::update(Comm& comm) {
  cls.update(comm);
  patches.update(comm);
}

IbotTargets ibot_targets(const Tensor& cls_ND, const Tensor& patches_PD, const Tensor& prototypes_KD, const PatchMasks& masks,
                         const IbotTeacherTemps& temps, IbotCenters& centers, bool first) {
  IbotTargets out;
  out.cls = centred_targets(cls_ND, prototypes_KD, centers.cls.value(), temps.cls);
  out.patches = centred_targets(masked_rows(patches_PD, masks), prototypes_KD, centers.patches.value(), temps.patches);
  centers.cls.observe(cls_ND, prototypes_KD, first);
  centers.patches.observe(patches_PD, prototypes_KD, first);
  return out;
}

IbotTerms ibot_loss(const Tensor& cls_ND, const Tensor& patches_MD, const Tensor& prototypes_KD, const IbotTargets& targets, const PatchMasks& masks,
                    const IbotLossOptions& options) {
  return {dino_loss(cls_ND, prototypes_KD, targets.cls, options.crops, options.teacher_crops, options.student_temp) * options.cls_weight,
          ibot_patch_loss(patches_MD, prototypes_KD, targets.patches, masks, options.student_temp) * options.patch_weight};
}

}  // namespace eosin::ssl
