#pragma once
// The loss of DINO (Caron et al. 2021, arXiv:2104.14294): cross-entropy between crops, with a centred and sharpened teacher.
#include "core/tensor/comm.h"
#include "core/tensor/tensor.h"
#include "ssl/dino_head.h"
#include "ssl/soft_targets.h"

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
/// Checked  golden ssl.dino_loss; tests/ssl/test_dino_parts.cpp: against the sum over pairs, gradcheck.
Tensor dino_loss(const Tensor& student_NK, const Tensor& targets_MK, int64_t crops, int64_t teacher_crops, double temperature);

/// DINOv2's form: the sum over all pairs (student crop s, teacher crop t) of the batch mean of CE(target_t, student_s / temperature). Rows are
/// crop-major; which pairs belong together, and what the sum is divided by, is the caller's business.
///
/// Shapes   student_NK with N = student_crops * B, targets_MK with M = teacher_crops * B; returns a scalar.
/// Errors   Shape if the rows are not crops of one batch.
/// Checked  golden ssl.dinov2_loss; tests/ssl/test_dinov2.cpp.
Tensor dinov2_loss(const Tensor& student_NK, const Tensor& targets_MK, int64_t student_crops, int64_t teacher_crops, double temperature);

/// dino_loss of tokens under the student's head, by chunks of prototypes (ssl/prototype_loss.h); two teacher crops.
///
/// Shapes   tokens_ND with N = crops * B, targets of 2 * B rows.
Tensor dino_loss(DinoHead& head, const Tensor& tokens_ND, const SoftTargets& targets, int64_t crops, double temperature);

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
