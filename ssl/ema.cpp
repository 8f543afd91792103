#include "ssl/ema.h"

#include "core/base/error.h"
#include "core/kernels/adamw.h"

namespace eosin::ssl {

void update_ema(const std::vector<Tensor>& teacher, const std::vector<Tensor>& student, double momentum) {
  EOSIN_ASSERT(teacher.size() == student.size());
  std::vector<kernels::AdamWTensor> pairs(teacher.size());
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].p = student[i].detach(), pairs[i].ema = teacher[i].detach();
  kernels::AdamWOptions options;
  options.ema_momentum = momentum;
  kernels::adamw_step(pairs, options);
}

}  // namespace eosin::ssl
