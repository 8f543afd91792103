#include "ssl/moco_v3_loss.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor moco_v3_contrast(const Tensor& queries_BD, const Tensor& keys_ND, double temperature, int64_t first) {
  EOSIN_CHECK(queries_BD.dim() == 2 && keys_ND.dim() == 2 && queries_BD.size(1) == keys_ND.size(1) && first >= 0 &&
                  first + queries_BD.size(0) <= keys_ND.size(0),
              Shape, "[moco_v3] queries of [{}] from row {} on have no keys in [{}]", fmt::join(queries_BD.sizes().vec(), ", "), first,
              fmt::join(keys_ND.sizes().vec(), ", "));
  const FullPrecision full;
  const Tensor logits_BN = unit_rows(queries_BD).mm(unit_rows(keys_ND.detach()).t()) / temperature;
  const Tensor own_key = at::arange(first, first + queries_BD.size(0), queries_BD.options().dtype(at::kLong));
  return 2 * temperature * at::cross_entropy_loss(logits_BN, own_key);
}

Tensor moco_v3_loss(const Tensor& q0_BD, const Tensor& q1_BD, const Tensor& keys0_ND, const Tensor& keys1_ND, double temperature, int64_t first) {
  return moco_v3_contrast(q0_BD, keys1_ND, temperature, first) + moco_v3_contrast(q1_BD, keys0_ND, temperature, first);
}

}  // namespace eosin::ssl
