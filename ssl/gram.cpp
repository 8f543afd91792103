#include "ssl/gram.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

Tensor gram_matrices(const Tensor& tokens_BND, const GramShape& shape) {
  Tensor t = shape.normalize ? unit_rows(tokens_BND) : at_least_float(tokens_BND);
  if (!shape.img_level) t = t.flatten(0, 1);
  return t.matmul(t.transpose(-1, -2));
}

}  // namespace

Tensor gram_loss(const Tensor& student_BND, const Tensor& teacher_BND, const GramShape& shape) {
  EOSIN_CHECK(student_BND.dim() == 3 && student_BND.sizes() == teacher_BND.sizes(), Shape,
              "[gram] tokens of student [{}] and teacher [{}] (need two of [B, N, D])", fmt::join(student_BND.sizes().vec(), ", "),
              fmt::join(teacher_BND.sizes().vec(), ", "));
  EOSIN_CHECK(shape.remove_negatives == "none" || shape.remove_negatives == "both" || shape.remove_negatives == "teacher", Config,
              "[gram] unknown remove_negatives '{}'; use none, both or teacher", shape.remove_negatives);
  const FullPrecision full_precision;
  Tensor student = gram_matrices(student_BND, shape), teacher = gram_matrices(teacher_BND.detach(), shape);
  if (shape.remove_negatives != "none") teacher = teacher.clamp_min(0);
  if (shape.remove_negatives == "both") student = student.clamp_min(0);
  return (student - teacher).square().mean();
}

}  // namespace eosin::ssl
