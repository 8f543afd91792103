#include "ssl/dino_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/prototype_loss.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::ssl {

Tensor dino_loss(const Tensor& points_ND, const Tensor& prototypes_KD, const SoftTargets& targets, int64_t crops, int64_t teacher_crops,
                 double temperature) {
  const Tensor terms_VB = crop_cross_entropy(points_ND, prototypes_KD, temperature, targets, crops, teacher_crops);
  return terms_VB.sum() / static_cast<double>(teacher_crops * (crops - 1) * terms_VB.size(1));
}

Tensor dinov2_loss(const Tensor& points_ND, const Tensor& prototypes_KD, const SoftTargets& targets, int64_t student_crops, int64_t teacher_crops,
                   double temperature) {
  const Tensor terms_VB = pair_cross_entropy(points_ND, prototypes_KD, temperature, targets, student_crops, teacher_crops);
  return terms_VB.sum() / static_cast<double>(terms_VB.size(1));
}

TeacherCenter::TeacherCenter(Tensor value_1K, double momentum) : value_1K_(std::move(value_1K)), momentum_(momentum) {}

void TeacherCenter::observe(const Tensor& features_ND, const Tensor& prototypes_KD, bool first) {
  const at::NoGradGuard no_grad;
  add(at::linear(features_ND.sum(0, true), prototypes_KD), features_ND.size(0), first);
}

void TeacherCenter::add(const Tensor& sum_1K, int64_t rows, bool first) {
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
