#include "ssl/sinkhorn.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor sinkhorn(const Tensor& logits_NK, double temperature, int64_t iterations, Comm& comm) {
  EOSIN_CHECK(iterations >= 1, Config, "[sinkhorn] {} iterations (need at least 1)", iterations);
  const at::NoGradGuard no_grad;
  const FullPrecision full_precision;
  Tensor scores_NK = at_least_float(logits_NK) / temperature;
  // Constant factors of all prototypes vanish when a row is divided by its sum: neither the numbers of rows and prototypes nor the
  // global maximum are needed. After this round no row and no prototype is all zeros.
  const Tensor share_1K = comm.all_gather(at::logsumexp(scores_NK, 0, true)).logsumexp(0, true);
  Tensor q_NK = at::softmax(scores_NK.sub_(share_1K), -1);
  Tensor row_N1 = at::ones({q_NK.size(0), 1}, q_NK.options()), column_K1;
  for (int64_t i = 1; i < iterations; ++i) {
    column_K1 = q_NK.t().matmul(row_N1).contiguous();
    comm.all_reduce_sum(column_K1);
    column_K1.reciprocal_();
    row_N1 = q_NK.matmul(column_K1).reciprocal_();
  }
  return iterations == 1 ? q_NK : q_NK.mul_(column_K1.t()).mul_(row_N1);
}

}  // namespace eosin::ssl
