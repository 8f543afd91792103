#pragma once
// Distillation of a classifier's logits.
#include "core/tensor/tensor.h"

#include <string>

namespace eosin::ssl {

struct HintonKd {
  Tensor loss, kd;
};

/// Soft labels (Hinton et al. 2015, arXiv:1503.02531): kd = T^2 / B * sum KL(softmax(teacher / T) || softmax(student / T));
/// loss = (1 - alpha) CE(student, labels) + alpha kd.
///
/// Shapes   student_BC, teacher_BC (no gradient); labels: B classes (int64), or shares of mixed ones [B, C].
/// Errors   Shape if the logits differ in shape, or labels are of another number.
/// Checked  golden ssl.kd_hinton; tests/ssl/test_distillation_losses.cpp.
HintonKd hinton_kd_loss(const Tensor& student_BC, const Tensor& teacher_BC, const Tensor& labels, double temperature, double alpha,
                        double label_smoothing = 0);

struct DeitOptions {
  std::string type = "hard";  // hard: the teacher's first choice as label; soft: its softmax at tau; none: no distillation
  double alpha = 0.5, tau = 1.0, label_smoothing = 0;
};

/// DeiT's loss of a class and a distillation token (Touvron et al. 2021, arXiv:2012.12877, eq. 2 and 3):
/// (1 - alpha) CE(class_logits, labels) + alpha * (hard: CE(distillation_logits, argmax teacher); soft: tau^2 KL(teacher || student)).
///
/// Shapes   class_BC, distillation_BC, teacher_BC (no gradient); labels as above.
/// Errors   Shape as above; Config for another type.
/// Differs  the soft KL is divided by B * C, as the released code does, not by B as hinton_kd_loss is.
/// Checked  golden ssl.deit_distill; tests/ssl/test_distillation_losses.cpp.
Tensor deit_loss(const Tensor& class_BC, const Tensor& distillation_BC, const Tensor& teacher_BC, const Tensor& labels, const DeitOptions& options);

}  // namespace eosin::ssl
