#pragma once
#include "ssl/dino_loss.h"
#include "ssl/patch_masks.h"
#include "ssl/soft_targets.h"

namespace eosin::ssl {

/// Masked-patch loss of iBOT (Zhou et al. 2022, arXiv:2111.07832, eq. 3; DINOv2): sum_m w_m CE(target_m, student_m / temperature) / B over the
/// masked patches m, w_m = 1 / (masked patches of its crop), B all crops, unmasked ones too. Logits as in ssl/dino_loss.h.
///
/// Shapes   points_MD, targets of M rows in the order of masks.indices_M, prototypes_KD; returns a scalar, 0 where nothing is masked.
/// Errors   Shape if there are not M rows each.
/// Checked  golden ssl.ibot_patch_loss, ssl.ibot_v1_loss; tests/ssl/test_ibot.cpp.
Tensor ibot_patch_loss(const Tensor& points_MD, const Tensor& prototypes_KD, const SoftTargets& targets, const PatchMasks& masks, double temperature);

/// The centres of class tokens and patches.
struct IbotCenters {
  TeacherCenter cls, patches;
  void update(Comm& comm);
};
/// What the teacher says of its crops' class tokens and of their masked patches.
struct IbotTargets {
  SoftTargets cls, patches;
};
struct IbotTeacherTemps {
  double cls = 0.07, patches = 0.07;
};
/// Targets by the centres as they are, which then observe these logits: the patches' centre all patches, masked or not. `first` as for
/// TeacherCenter.
///
/// Shapes   cls_ND: one row a crop; patches_PD: all patches of these crops, P = N * patches of a crop; prototypes_KD.
IbotTargets ibot_targets(const Tensor& cls_ND, const Tensor& patches_PD, const Tensor& prototypes_KD, const PatchMasks& masks,
                         const IbotTeacherTemps& temps, IbotCenters& centers, bool first);

/// The two terms of iBOT's loss, each with its weight, and how they are made.
struct IbotTerms {
  Tensor cls, patch;
  Tensor total() const { return cls + patch; }
};
struct IbotLossOptions {
  int64_t crops = 2, teacher_crops = 2;
  double student_temp = 0.1, cls_weight = 1, patch_weight = 1;
};
/// cls_weight dino_loss(class tokens) + patch_weight ibot_patch_loss(masked patches), with one head for both.
///
/// Shapes   cls_ND with N = crops * B, patches_MD: the masked patches, prototypes_KD.
/// Errors   as dino_loss and ibot_patch_loss.
/// Checked  golden ssl.ibot_v1_loss; tests/ssl/test_ibot.cpp.
IbotTerms ibot_loss(const Tensor& cls_ND, const Tensor& patches_MD, const Tensor& prototypes_KD, const IbotTargets& targets, const PatchMasks& masks,
                    const IbotLossOptions& options);

}  // namespace eosin::ssl
