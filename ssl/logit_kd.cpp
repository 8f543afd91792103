#include "ssl/logit_kd.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/classification_loss.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

void check_logits(const Tensor& student_BC, const Tensor& teacher_BC) {
  EOSIN_CHECK(student_BC.dim() == 2 && student_BC.sizes() == teacher_BC.sizes(), Shape,
              "[logit_kd] logits of [{}] and of the teacher [{}] (need two of [B, C])", fmt::join(student_BC.sizes().vec(), ", "),
              fmt::join(teacher_BC.sizes().vec(), ", "));
}

/// Sum over all elements of KL(teacher || student) at that temperature, times its square: gradients keep their size.
Tensor soft_label_divergence(const Tensor& student_BC, const Tensor& teacher_BC, double temperature) {
  const Tensor log_p = at::log_softmax(at_least_float(student_BC) / temperature, -1);
  const Tensor log_q = at::log_softmax(at_least_float(teacher_BC.detach()) / temperature, -1);
  return temperature * temperature * at::kl_div(log_p, log_q, at::Reduction::Sum, /*log_target=*/true);
}

}  // namespace

HintonKd hinton_kd_loss(const Tensor& student_BC, const Tensor& teacher_BC, const Tensor& labels, double temperature, double alpha,
                        double label_smoothing) {
  check_logits(student_BC, teacher_BC);
  const Tensor kd = soft_label_divergence(student_BC, teacher_BC, temperature) / static_cast<double>(student_BC.size(0));
  return {(1 - alpha) * classification_loss(student_BC, labels, label_smoothing) + alpha * kd, kd};
}

Tensor deit_loss(const Tensor& class_BC, const Tensor& distillation_BC, const Tensor& teacher_BC, const Tensor& labels, const DeitOptions& options) {
  EOSIN_CHECK(options.type == "hard" || options.type == "soft" || options.type == "none", Config,
              "[logit_kd] unknown distillation '{}' (need hard, soft or none)", options.type);
  const Tensor base = classification_loss(class_BC, labels, options.label_smoothing);
  if (options.type == "none") return base;
  check_logits(distillation_BC, teacher_BC);
  check_logits(class_BC, teacher_BC);
  const Tensor distillation = options.type == "hard"
                                  ? at::cross_entropy_loss(at_least_float(distillation_BC), teacher_BC.detach().argmax(-1))
                                  : soft_label_divergence(distillation_BC, teacher_BC, options.tau) / static_cast<double>(distillation_BC.numel());
  return (1 - options.alpha) * base + options.alpha * distillation;
}

}  // namespace eosin::ssl
