#pragma once
// The loss of DINO (Caron et al. 2021, arXiv:2104.14294): cross-entropy between crops, with a centred and sharpened teacher.
#include "core/tensor/tensor.h"

#include <cstdint>

namespace eosin::ssl {

/// Teacher's targets softmax((z - centre) / temperature), without gradient; in float32 for half types.
///
/// Shapes   logits_NK, center_1K -> probabilities_NK.
Tensor dino_targets(const Tensor& logits_NK, const Tensor& center_1K, double temperature);

/// The mean over all ordered pairs (teacher crop a, student crop b != a) of the batch mean of CE(target_a, student_b / temperature).
/// Rows are crop-major; the teacher's crops are the student's first ones.
///
/// Shapes   student_NK with N = crops * B, targets_MK with M = teacher crops * B; returns a scalar.
/// Errors   Shape if the rows are no multiple of the crops, or there are fewer student than teacher crops or no pair.
/// Checked  golden ssl.dino_loss; tests/ssl/test_dino_loss.cpp: against the sum over pairs, gradcheck.
Tensor dino_loss(const Tensor& student_NK, const Tensor& targets_MK, int64_t crops, int64_t teacher_crops, double temperature);

/// m * centre + (1 - m) * mean of the teacher's raw logits.
///
/// Shapes   center_1K, mean_1K -> [1, K].
Tensor updated_center(const Tensor& center_1K, const Tensor& mean_1K, double momentum);

}  // namespace eosin::ssl
