#include "eval/gradient_coherence.h"

#include "eval/representation.h"
#include "eval/rows.h"

#include <ATen/ATen.h>

namespace eosin::eval {

GradientCoherence gradient_coherence(const Tensor& gradient_MD) {
  GradientCoherence c;
  c.pairwise_cosine = mean_pairwise_cosine(gradient_MD);
  const RowReader rows(gradient_MD, {}, "eval.gradient_coherence");
  double mean_square = 0, square_of_mean = 0;
  const double m = static_cast<double>(rows.rows());
  for (int64_t i = 0; i < rows.rows(); ++i) {
    const Tensor row = rows.read(i, i + 1);
    const double* g = row.const_data_ptr<double>();
    for (int64_t d = 0; d < rows.dim(); ++d) mean_square += g[d] * g[d] / m;
  }
  for (double g : RowTransform::centered(gradient_MD).center) square_of_mean += g * g;
  c.alpha = square_of_mean / mean_square;
  c.m_coherence = m * c.alpha;
  return c;
}

}  // namespace eosin::eval
