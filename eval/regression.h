#pragma once
// Measures of predicted numbers.
#include "eval/matrix.h"

#include <span>
#include <vector>

namespace eosin::eval {

/// Correlation of values, of ranks (ties share the mean of theirs).
///
/// Errors   Data: fewer than 2 samples, lengths differ, a value that is not finite. Numeric if a side is constant.
double pearson(std::span<const double> a, std::span<const double> b);
double spearman(std::span<const double> a, std::span<const double> b);

/// One element a column.
struct RegressionMetrics {
  std::vector<double> pearson, spearman, r2, mse, mae;  // r2 = 1 - sum of squared errors / sum of squares about the mean
};
/// Shapes   target, pred [N, D].
/// Errors   as pearson, naming the column.
/// Checked  golden eval.regression_metrics.
RegressionMetrics regression_metrics(MatrixView target_ND, MatrixView pred_ND);

/// Pearson's correlation of each column.
std::vector<double> pearson_columns(MatrixView target_ND, MatrixView pred_ND);

}  // namespace eosin::eval
