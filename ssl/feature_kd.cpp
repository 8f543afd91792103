#include "ssl/feature_kd.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/resize_tokens.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

void check_tokens(const char* who, const Tensor& tokens, nn::PatchGrid grid) {
  EOSIN_CHECK(tokens.dim() == 3 && tokens.size(1) == grid.count(), Shape, "[feature_kd] the {}'s tokens of [{}] do not lie on a grid of {}x{}", who,
              fmt::join(tokens.sizes().vec(), ", "), grid.rows, grid.cols);
}

Tensor divergence(const Tensor& student, const Tensor& teacher, double temperature) {
  const Tensor log_p = at::log_softmax(student / temperature, -1), log_q = at::log_softmax(teacher / temperature, -1);
  return temperature * temperature / static_cast<double>(student.size(0)) * at::kl_div(log_p, log_q, at::Reduction::Sum, /*log_target=*/true);
}

}  // namespace

Tensor feature_kd_loss(const Tensor& student_BND, nn::PatchGrid student_grid, const Tensor& teacher_BMD, nn::PatchGrid teacher_grid,
                       const FeatureKdOptions& options) {
  check_tokens("student", student_BND, student_grid);
  check_tokens("teacher", teacher_BMD, teacher_grid);
  EOSIN_CHECK(student_BND.size(0) == teacher_BMD.size(0) && student_BND.size(2) == teacher_BMD.size(2), Shape,
              "[feature_kd] the student's tokens of [{}] and the teacher's of [{}] differ in batch or width",
              fmt::join(student_BND.sizes().vec(), ", "), fmt::join(teacher_BMD.sizes().vec(), ", "));
  const FullPrecision full;
  const Tensor student = at_least_float(student_BND);
  Tensor teacher = at_least_float(teacher_BMD.detach());
  if (options.normalize_teacher) teacher = unit_rows(teacher);
  teacher = resize_tokens(teacher, teacher_grid, student_grid);
  if (options.loss == "kl") return divergence(student, teacher, options.temperature);
  const Tensor cosine = 1 - at::cosine_similarity(student, teacher, -1, 1e-8).mean();
  if (options.loss == "cosine") return cosine;
  EOSIN_CHECK(options.loss == "cosine_smooth_l1", Config, "[feature_kd] unknown loss '{}' (need cosine, cosine_smooth_l1 or kl)", options.loss);
  return options.alpha * cosine + options.beta * at::smooth_l1_loss(student, teacher);
}

}  // namespace eosin::ssl
