#include "ssl/ema.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

void update_ema(const std::vector<Tensor>& teacher, const std::vector<Tensor>& student, double momentum) {
  EOSIN_ASSERT(teacher.size() == student.size());
  const at::NoGradGuard no_grad;
  at::_foreach_lerp_(teacher, student, 1 - momentum);
}

}  // namespace eosin::ssl
