#include "eval/hest_probe.h"

#include "eval/regression.h"

#include <cmath>
#include <numeric>

namespace eosin::eval {

HestProbe HestProbe::fit(const Tensor& x_ND, MatrixView y_NT, const HestOptions& o) {
  const RowReader checked(x_ND, {}, "eval.hest_probe");
  HestProbe p;
  p.pca = fit_pca(x_ND, o.n_components, false, RowTransform::standardized(x_ND));
  p.ridge = fit_ridge(p.pca.apply(x_ND), y_NT, {.alpha = o.alpha, .fit_intercept = o.fit_intercept});
  return p;
}

HestScore hest_score(MatrixView target_MT, MatrixView pred_MT) {
  HestScore s;
  s.pearson = pearson_columns(target_MT, pred_MT);
  const double n = static_cast<double>(s.pearson.size());
  s.mean = std::accumulate(s.pearson.begin(), s.pearson.end(), 0.0) / n;
  for (double r : s.pearson) s.sd += (r - s.mean) * (r - s.mean);
  s.sd = std::sqrt(s.sd / n);
  return s;
}

}  // namespace eosin::eval
