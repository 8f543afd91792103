#pragma once
// Whether the gradients of single samples agree (Chatterjee and Zielinski 2022, arXiv:2203.10036).
#include "core/tensor/tensor.h"

namespace eosin::eval {

struct GradientCoherence {
  double alpha = 0;            // |mean g|^2 / mean |g|^2
  double m_coherence = 0;      // m alpha: 1 for orthogonal gradients, m for equal ones
  double pairwise_cosine = 0;  // mean over i != j
};
/// Shapes   gradient [m samples, d parameters].
/// Errors   as mean_pairwise_cosine: Data for fewer than 2 samples, a value that is not finite, or a gradient of length 0 (names it).
/// Checked  golden eval.gradient_coherence.
GradientCoherence gradient_coherence(const Tensor& gradient_MD);

}  // namespace eosin::eval
