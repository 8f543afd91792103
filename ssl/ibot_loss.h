#pragma once
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

}  // namespace eosin::ssl
