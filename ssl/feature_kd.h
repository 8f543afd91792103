#pragma once
// Distillation of features: the student's tokens are to become the teacher's.
#include "core/nn/pos_embed.h"

#include <string>

namespace eosin::ssl {

struct FeatureKdOptions {
  std::string loss = "cosine";     // or cosine_smooth_l1, kl
  double alpha = 0.9, beta = 0.1;  // of cosine_smooth_l1: weights of its two terms
  double temperature = 1.0;        // of kl
  bool normalize_teacher = false;  // to length 1, first
};

/// cosine             1 - mean cos(student, teacher)
/// cosine_smooth_l1   alpha * (1 - mean cos) + beta * smooth L1 (delta 1, mean over all elements): AM-RADIO, GPFM
/// kl                 T^2 / B * sum over all tokens of KL(softmax(teacher / T) || softmax(student / T)) over the channels
///
/// The teacher's tokens lie on its grid, which is resized to the student's (bicubic, no antialias) where they differ.
///
/// Shapes   student_BND, teacher_BMD (no gradient), N and M the sizes of the grids; returns a scalar.
/// Errors   Shape if tokens do not fit their grid or widths differ; Config for another loss.
/// Checked  golden ssl.feature_kd, ssl.multi_teacher; tests/ssl/test_distillation_losses.cpp: gradcheck.
Tensor feature_kd_loss(const Tensor& student_BND, nn::PatchGrid student_grid, const Tensor& teacher_BMD, nn::PatchGrid teacher_grid,
                       const FeatureKdOptions& options);

}  // namespace eosin::ssl
