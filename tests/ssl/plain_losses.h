#pragma once
// The losses of the DINO family as their papers write them, on whole matrices of logits and probabilities, and their teacher's momentum.
#include "ssl/soft_targets.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace eosin::ssl::plain {

/// Half a cosine from `start` at step 0 to 1 at `steps`.
inline double momentum(double start, int64_t step, int64_t steps) {
  return 1 - (1 - start) / 2 * (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps)));
}

inline Tensor softmax_targets(const Tensor& logits, const Tensor& center, double temperature) {
  return at::softmax((logits - center) / temperature, -1);
}

inline Tensor cross_entropy(const Tensor& targets, const Tensor& logits, double temperature) {
  return -(targets * at::log_softmax(logits / temperature, -1)).sum(-1);
}

/// Every pair on its own; `own`: also a crop with the teacher's of its number.
inline Tensor pair_sum(const Tensor& student, const Tensor& targets, int64_t crops, int64_t teacher_crops, double temperature, bool own) {
  const auto s = student.chunk(crops), t = targets.chunk(teacher_crops);
  Tensor sum = at::zeros({}, student.options());
  for (size_t a = 0; a < t.size(); ++a)
    for (size_t b = 0; b < s.size(); ++b)
      if (own || a != b) sum = sum + cross_entropy(t[a], s[b], temperature).mean();
  return sum;
}

inline Tensor dino_loss(const Tensor& student, const Tensor& targets, int64_t crops, int64_t teacher_crops, double temperature) {
  return pair_sum(student, targets, crops, teacher_crops, temperature, false) / static_cast<double>(teacher_crops * (crops - 1));
}

inline Tensor dinov2_loss(const Tensor& student, const Tensor& targets, int64_t crops, int64_t teacher_crops, double temperature) {
  return pair_sum(student, targets, crops, teacher_crops, temperature, true);
}

/// Probabilities as targets: a plain matrix of logits is its product with the identity.
inline SoftTargets as_targets(const Tensor& p) {
  const Tensor zeros_K = at::zeros({p.size(1)}, p.options()), zeros_M = at::zeros({p.size(0)}, p.options());
  return {p.clamp_min(1e-30).log(), at::eye(p.size(1), p.options()), 1.0, zeros_K, zeros_M, {}};
}
inline Tensor identity(const Tensor& logits) { return at::eye(logits.size(-1), logits.options()); }

}  // namespace eosin::ssl::plain
