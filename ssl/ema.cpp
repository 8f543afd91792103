#include "ssl/ema.h"

#include "core/base/error.h"
#include "core/kernels/adamw.h"
#include "core/nn/weights.h"

#include <ATen/core/grad_mode.h>

namespace eosin::ssl {

void update_ema(const std::vector<Tensor>& teacher, const std::vector<Tensor>& student, double momentum) {
  EOSIN_ASSERT(teacher.size() == student.size());
  std::vector<kernels::AdamWTensor> pairs(teacher.size());
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i].p = student[i].detach(), pairs[i].ema = teacher[i].detach();
  kernels::AdamWOptions options;
  options.ema_momentum = momentum;
  kernels::adamw_step(pairs, options);
}

void copy_parts(torch::nn::Module& teacher, const torch::nn::Module& student) {
  const at::NoGradGuard no_grad;
  const TensorMap from = nn::named_weights(student);
  for (const auto& [name, t] : nn::named_weights(teacher)) t.copy_(from.at(name));  // no average: the teacher's memory may hold anything
}

}  // namespace eosin::ssl
