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
/// tests/ssl/test_prototype_loss.cpp: equal to dino_loss, gradients too; golden ssl.dino_step.
Tensor crop_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets, int64_t crops,
                          int64_t teacher_crops);

/// CE(target of row n, softmax(z_n w / T)) of each row: iBOT's term of a masked patch (Zhou et al. 2022, arXiv:2111.07832, eq. 2).
///
/// Shapes   features_ND, prototypes_KD, targets of N rows; returns [N].
Tensor row_cross_entropy(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, const SoftTargets& targets);

}  // namespace eosin::ssl
