#pragma once
// Linear regression with an L2 penalty.
#include "core/tensor/tensor.h"
#include "eval/matrix.h"

#include <optional>
#include <vector>

namespace eosin::eval {

struct RidgeOptions {
  std::optional<double> alpha = {};  // absent: 100 / (D T), the rule of HEST
  bool fit_intercept = true;         // never penalised
};

/// Fitted on training rows, applied to any.
struct Ridge {
  double alpha = 0;
  Matrix coef_TD;
  std::vector<double> intercept;  // [T]; zeros without

  /// Errors   as RowReader; Shape if the width differs.
  Matrix predict(const Tensor& x_MD) const;
};

/// Minimum of |Y - X W - b|^2 + alpha |W|^2 (sums, not means; Hoerl and Kennard 1970), by the normal equations of the rows read in blocks.
///
/// Shapes   x_ND, y [N, T].
/// Errors   as RowReader; Data if lengths differ or a target is not finite. Config if alpha is negative. Numeric if the equations are
///          singular (alpha 0 with collinear features).
/// Checked  golden eval.ridge.
Ridge fit_ridge(const Tensor& x_ND, MatrixView y_NT, const RidgeOptions& options = {});

}  // namespace eosin::eval
