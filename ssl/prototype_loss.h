#pragma once
// Cross-entropy between a student's and a teacher's choice among prototypes, without the logits of either in memory.
#include "ssl/soft_targets.h"

namespace eosin::ssl {

/// For each student row the sum over the teacher's crops, its own excepted, of CE(target, softmax(z w / T)): the terms of DINO's loss (Caron et
/// al. 2021, arXiv:2104.14294, eq. 2). Rows are crop-major; the teacher's crops are the student's first ones. The logits are computed in chunks
/// of prototypes, and again in the backward pass: two products more, and kPrototypeChunk / K of the memory.
///
/// Shapes   features_ND with N = crops * B, prototypes_KD, targets of teacher_crops * B rows; returns [crops, B], gradients to features and
/// prototypes. Errors   Shape if the rows are no multiple of the crops, there are fewer student than teacher crops, or no pair. Checked
/// tests/ssl/test_prototype_loss.cpp: equal to the plain form, gradients too; golden ssl.dino_step, ssl.dinov2_step.
Tensor crop_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets, int64_t crops,
                          int64_t teacher_crops);

/// The same against every teacher crop, which are no crops of the student's (dinov2_loss). With one crop each it is CE(target of row n, softmax(z_n w
/// / T)): the term of a masked patch in ibot_patch_loss.
///
/// Shapes   features_ND with N = student_crops * B, targets of teacher_crops * B rows; returns [student_crops, B].
Tensor pair_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets,
                          int64_t student_crops = 1, int64_t teacher_crops = 1);

}  // namespace eosin::ssl
