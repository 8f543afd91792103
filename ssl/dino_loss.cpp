#include "ssl/dino_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::ssl {

Tensor dino_targets(const Tensor& logits_NK, const Tensor& center_1K, double temperature) {
  const at::NoGradGuard no_grad;
  return at::softmax((at_least_float(logits_NK) - center_1K) / temperature, -1);
}

Tensor dino_loss(const Tensor& student_NK, const Tensor& targets_MK, int64_t crops, int64_t teacher_crops, double temperature) {
  EOSIN_CHECK(teacher_crops > 0 && crops >= teacher_crops && crops > 1, Shape, "[dino_loss] {} student and {} teacher crops make no pairs", crops,
              teacher_crops);
  const int64_t batch = student_NK.size(0) / crops, prototypes = student_NK.size(1);
  EOSIN_CHECK(student_NK.size(0) == batch * crops && targets_MK.size(0) == batch * teacher_crops && targets_MK.size(1) == prototypes, Shape,
              "[dino_loss] student [{}] and targets [{}] are not {} and {} crops of one batch", fmt::join(student_NK.sizes().vec(), ", "),
              fmt::join(targets_MK.sizes().vec(), ", "), crops, teacher_crops);
  const Tensor log_p_VBK = at::log_softmax(at_least_float(student_NK) / temperature, -1).view({crops, batch, prototypes});
  const Tensor targets_TBK = targets_MK.view({teacher_crops, batch, prototypes});
  // All pairs, less the pairs of a crop with itself: one product over a sum of crops instead of one a pair.
  const Tensor all = (log_p_VBK.sum(0) * targets_TBK.sum(0)).sum();
  const Tensor same = (log_p_VBK.narrow(0, 0, teacher_crops) * targets_TBK).sum();
  const int64_t pairs = teacher_crops * (crops - 1);
  return (same - all) / static_cast<double>(pairs * batch);
}

Tensor dinov2_loss(const Tensor& student_NK, const Tensor& targets_MK, int64_t student_crops, int64_t teacher_crops, double temperature) {
  const int64_t batch = targets_MK.size(0) / std::max<int64_t>(teacher_crops, 1), prototypes = targets_MK.size(1);
  EOSIN_CHECK(student_NK.dim() == 2 && targets_MK.dim() == 2 && batch > 0 && targets_MK.size(0) == batch * teacher_crops &&
                  student_NK.size(0) == batch * student_crops && student_NK.size(1) == prototypes,
              Shape, "[dinov2_loss] student [{}] and targets [{}] are not {} and {} crops of one batch", fmt::join(student_NK.sizes().vec(), ", "),
              fmt::join(targets_MK.sizes().vec(), ", "), student_crops, teacher_crops);
  const Tensor log_p_SBK = at::log_softmax(at_least_float(student_NK) / temperature, -1).view({student_crops, batch, prototypes});
  const Tensor targets_TBK = targets_MK.view({teacher_crops, batch, prototypes});
  return -(log_p_SBK.sum(0) * targets_TBK.sum(0)).sum() / static_cast<double>(batch);
}

TeacherCenter::TeacherCenter(Tensor value_1K, double momentum) : value_1K_(std::move(value_1K)), momentum_(momentum) {}

void TeacherCenter::observe(const Tensor& sum_1K, int64_t rows, bool first) {
  const at::NoGradGuard no_grad;
  if (first || !sum_1K_.defined()) sum_1K_ = at::zeros_like(value_1K_), rows_ = 0;
  sum_1K_ += sum_1K;
  rows_ += rows;
}

void TeacherCenter::update(Comm& comm) {
  const at::NoGradGuard no_grad;
  EOSIN_ASSERT(sum_1K_.defined());
  Tensor rows = at::full({1, 1}, static_cast<double>(rows_), value_1K_.options());
  comm.all_reduce_sum(sum_1K_);
  comm.all_reduce_sum(rows);
  const Tensor moved = value_1K_ * momentum_ + sum_1K_ / rows * (1 - momentum_);
  value_1K_.copy_(at::where(rows > 0, moved, value_1K_));
  sum_1K_.reset();
  rows_ = 0;
}

}  // namespace eosin::ssl
