#pragma once
#include "core/tensor/comm.h"
#include "core/tensor/tensor.h"

namespace eosin::ssl {

/// Targets by Sinkhorn-Knopp (Cuturi 2013, arXiv:1306.0895; SwAV, arXiv:2006.09882): from exp(logits / temperature), in turns every
/// prototype gets the same share of all rows and every row sums to 1. Without gradient, in float32 at least.
///
/// The rows are those of all ranks; each rank gives its own and gets their targets. Every rank must call, with as many rows as it has, zero
/// too. The first round is done on logarithms, so that any finite logits are safe; the others scale its result by two vectors.
///
/// Shapes   logits_NK -> probabilities_NK.
/// Errors   Config if iterations < 1.
/// Differs  the reference takes exp without subtracting a maximum and overflows in float32 from logits of 88 temperatures on.
/// Checked  golden ssl.sinkhorn; tests/ssl/test_sinkhorn.cpp.
Tensor sinkhorn(const Tensor& logits_NK, double temperature, int64_t iterations, Comm& comm);

}  // namespace eosin::ssl
