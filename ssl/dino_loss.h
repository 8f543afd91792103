#pragma once
// The loss of DINO (Caron et al. 2021, arXiv:2104.14294): cross-entropy between crops, with a centred and sharpened teacher.
#include "core/tensor/comm.h"
#include "core/tensor/tensor.h"
#include "ssl/soft_targets.h"

#include <cstdint>

namespace eosin::ssl {

// Logits are given as a product of points and prototypes, which is not made as a whole (ssl/prototype_loss.h); a plain matrix is its product
// with the identity.

/// The mean over all ordered pairs (teacher crop a, student crop b != a) of the batch mean of CE(target_a, student_b / temperature).
/// Rows are crop-major; the teacher's crops are the student's first ones.
///
/// Shapes   points_ND with N = crops * B, prototypes_KD, targets of teacher_crops * B rows; returns a scalar.
/// Errors   Shape if the rows are no multiple of the crops, or there are fewer student than teacher crops or no pair.
/// Checked  golden ssl.dino_loss; tests/ssl/test_dino_parts.cpp: against the sum over pairs, gradcheck.
Tensor dino_loss(const Tensor& points_ND, const Tensor& prototypes_KD, const SoftTargets& targets, int64_t crops, int64_t teacher_crops,
                 double temperature);

/// DINOv2's form: the sum over all pairs (student crop s, teacher crop t) of the batch mean of CE(target_t, student_s / temperature). Rows are
/// crop-major; which pairs belong together, and what the sum is divided by, is the caller's business.
///
/// Shapes   points_ND with N = student_crops * B, prototypes_KD, targets of teacher_crops * B rows; returns a scalar.
/// Errors   Shape if the rows are not crops of one batch.
/// Checked  golden ssl.dinov2_loss; tests/ssl/test_dinov2.cpp.
Tensor dinov2_loss(const Tensor& points_ND, const Tensor& prototypes_KD, const SoftTargets& targets, int64_t student_crops, int64_t teacher_crops,
                   double temperature);

/// The moving average of the teacher's logits that its targets are centred with: c <- m c + (1 - m) mean(logits).
///
/// The mean is over all rows observed since the last update, on all ranks, of which some may have none.
class TeacherCenter {
 public:
  /// `value_1K` is shared with its owner (a module's buffer) and changed in place.
  TeacherCenter(Tensor value_1K, double momentum);
  /// Shapes   logits_NK. `first`: forget what was observed before (a step that was skipped).
  void observe(const Tensor& logits_NK, bool first) { add(logits_NK.sum(0, true, value_1K_.scalar_type()), logits_NK.size(0), first); }
  /// The same of logits that are a product, which is not made: its sum over rows is that of one row.
  ///
  /// Shapes   features_ND, prototypes_KD.
  void observe(const Tensor& features_ND, const Tensor& prototypes_KD, bool first);
  void update(Comm& comm);
  const Tensor& value() const { return value_1K_; }

 private:
  void add(const Tensor& sum_1K, int64_t rows, bool first);

  Tensor value_1K_, sum_1K_;
  double momentum_;
  int64_t rows_ = 0;
};

}  // namespace eosin::ssl
