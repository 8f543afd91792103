#include "ssl/logit_kd.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

void check_logits(const Tensor& student_BC, const Tensor& teacher_BC, const Tensor& labels_B) {
  EOSIN_CHECK(student_BC.dim() == 2 && student_BC.sizes() == teacher_BC.sizes() && labels_B.dim() == 1 && labels_B.size(0) == student_BC.size(0),
              Shape, "[logit_kd] logits of [{}], teacher's of [{}] and {} labels (need two of [B, C] and B)",
              fmt::join(student_BC.sizes().vec(), ", "), fmt::join(teacher_BC.sizes().vec(), ", "), labels_B.numel());
}

/// Sum over all elements of KL(teacher || student) at that temperature, times its square: gradients keep their size.
Tensor soft_label_divergence(const Tensor& student_BC, const Tensor& teacher_BC, double temperature) {
  const Tensor log_p = at::log_softmax(at_least_float(student_BC) / temperature, -1);
  const Tensor log_q = at::log_softmax(at_least_float(teacher_BC.detach()) / temperature, -1);
  return temperature * temperature * at::kl_div(log_p, log_q, at::Reduction::Sum, /*log_target=*/true);
}

}  // namespace

HintonKd hinton_kd_loss(const Tensor& student_BC, const Tensor& teacher_BC, const Tensor& labels_B, double temperature, double alpha) {
  check_logits(student_BC, teacher_BC, labels_B);
  const Tensor kd = soft_label_divergence(student_BC, teacher_BC, temperature) / static_cast<double>(student_BC.size(0));
  return {(1 - alpha) * at::cross_entropy_loss(at_least_float(student_BC), labels_B) + alpha * kd, kd};
}

Tensor deit_loss(const Tensor& class_BC, const Tensor& distillation_BC, const Tensor& teacher_BC, const Tensor& labels_B,
                 const DeitOptions& options) {
  EOSIN_CHECK(options.type == "hard" || options.type == "soft" || options.type == "none", Config,
              "[logit_kd] unknown distillation '{}' (need hard, soft or none)", options.type);
  check_logits(class_BC, class_BC, labels_B);
  const Tensor base = at::cross_entropy_loss(at_least_float(class_BC), labels_B, {}, at::Reduction::Mean, -100, options.label_smoothing);
  if (options.type == "none") return base;
  check_logits(distillation_BC, teacher_BC, labels_B);
  const Tensor distillation = options.type == "hard"
                                  ? at::cross_entropy_loss(at_least_float(distillation_BC), teacher_BC.detach().argmax(-1))
                                  : soft_label_divergence(distillation_BC, teacher_BC, options.tau) / static_cast<double>(distillation_BC.numel());
  return (1 - options.alpha) * base + options.alpha * distillation;
}

}  // namespace eosin::ssl
