#pragma once
// Measures of predicted numbers.
#include "eval/bootstrap.h"
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

/// Their means over the columns, of rows that count as often as their weights say; absent where they leave a column constant.
///
/// Errors   as regression_metrics; for r2 a prediction may be constant, for mae everything.
/// Checked  tests/eval/test_ridge_protocol.cpp: rows repeated as often as they count.
Statistic pearson_statistic(MatrixView target_ND, MatrixView pred_ND);
Statistic spearman_statistic(MatrixView target_ND, MatrixView pred_ND);
Statistic r2_statistic(MatrixView target_ND, MatrixView pred_ND);
Statistic mae_statistic(MatrixView target_ND, MatrixView pred_ND);

}  // namespace eosin::eval
