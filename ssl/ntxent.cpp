#include "ssl/ntxent.h"

#include "core/tensor/precision.h"
#include "ssl/same_shape.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

#include <limits>

namespace eosin::ssl {

Tensor ntxent_loss(const Tensor& z0_BD, const Tensor& z1_BD, double temperature) {
  check_same_matrix("ntxent", z0_BD, z1_BD);
  const FullPrecision full;
  const int64_t batch = z0_BD.size(0);
  const Tensor z_ND = at::cat({unit_rows(z0_BD), unit_rows(z1_BD)}, 0);
  Tensor logits_NN = z_ND.mm(z_ND.t()) / temperature;
  const Tensor positive = logits_NN.diagonal(batch);  // of the second view; the matrix is symmetric
  const Tensor self = at::eye(2 * batch, logits_NN.options().dtype(at::kBool));
  const Tensor others = logits_NN.masked_fill(self, -std::numeric_limits<double>::infinity());
  return at::logsumexp(others, 1).mean() - positive.mean();
}

}  // namespace eosin::ssl
