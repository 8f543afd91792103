#include "ssl/unit_rows.h"

#include "core/tensor/precision.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor unit_rows(const Tensor& x, double eps) {
  const Tensor full = at_least_float(x);
  return full / full.norm(2, -1, true).clamp_min(eps);
}

}  // namespace eosin::ssl
