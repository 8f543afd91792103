#pragma once
// A teacher's soft choices among prototypes, made chunk by chunk: a large matrix (10,000 masked patches by 131,072 prototypes are 5 GB) never
// exists.
#include "core/tensor/comm.h"
#include "core/tensor/tensor.h"

#include <cstdint>

namespace eosin::ssl {

/// Columns of logits that exist at a time. The same on every rank, because Sinkhorn's ranks meet after each chunk.
inline constexpr int64_t kPrototypeChunk = 4096;
/// Elements up to which targets, and a student's logits, are kept whole (128 MB in float32). Beyond it Sinkhorn of three rounds and a loss with its
/// backward pass make the teacher's product five times and eight times its exponentials, and the student's product twice.
inline constexpr int64_t kKeptTargets = 32 << 20;

/// p_mk = exp(z_m w_k / T + a_k + b_m). Both of DINO's targets have this form: the softmax of centred logits with a = -centre / T, and
/// Sinkhorn-Knopp with a and b the logarithms of its scaling vectors. Without gradient; float32 at least.
struct SoftTargets {
  Tensor features_MD, prototypes_KD;
  double temperature = 1;
  Tensor column_K, row_M;   // a, b; undefined where the targets are kept
  Tensor probabilities_MK;  // p where they are kept, else undefined

  int64_t rows() const { return features_MD.size(0); }
  int64_t prototypes() const { return prototypes_KD.size(0); }
  /// Of the probabilities.
  at::TensorOptions options() const;
  /// In float32 at least; to be read only.
  /// Shapes   [M, end - begin].
  Tensor chunk(int64_t begin, int64_t end) const;
};

/// The type that products are to be in: autocast's where it is on, else the tensor's own. Chosen once, so that a backward pass repeats the same bits.
Tensor in_product_type(const Tensor& x);

/// z w / T of some columns, in float32 at least; the product itself in the type of its factors.
///
/// Shapes   features_ND, prototypes_KD -> [N, end - begin].
Tensor prototype_logits(const Tensor& features_ND, const Tensor& prototypes_KD, double temperature, int64_t begin, int64_t end);

/// softmax((z w - centre) / T) (Caron et al. 2021, arXiv:2104.14294).
/// Checked  tests/ssl/test_soft_targets.cpp: equal to the softmax of the whole matrix, kept or not.
SoftTargets centred_targets(const Tensor& features_MD, const Tensor& prototypes_KD, const Tensor& center_1K, double temperature,
                            int64_t keep_at_most = kKeptTargets);

/// Sinkhorn-Knopp (Caron et al. 2020, arXiv:2006.09882): in turns every prototype gets an equal share of all ranks' rows and every row sums to 1.
/// In logarithms, so that no temperature overflows. Every rank must call it, also one without rows.
/// Checked  tests/ssl/test_soft_targets.cpp: against the plain iteration.
SoftTargets sinkhorn_targets(const Tensor& features_MD, const Tensor& prototypes_KD, double temperature, int64_t iterations, Comm& comm,
                             int64_t keep_at_most = kKeptTargets);

}  // namespace eosin::ssl
