#pragma once
// Whether several models differ over several data sets, by their ranks on each.
#include "eval/distributions.h"
#include "eval/matrix.h"

#include <vector>

namespace eosin::eval {

struct Friedman {
  TestResult test;                // against chi-square with K - 1 degrees
  std::vector<double> mean_rank;  // [K], rank 1 is the lowest value
};
/// Friedman 1937, corrected for ties: Q = (12 / (N K (K+1)) sum R_j^2 - 3 N (K+1)) / (1 - sum(t^3 - t) / (N (K^3 - K))).
///
/// Shapes   value [N blocks (data sets), K treatments (models)].
/// Errors   Data: no block, fewer than 2 treatments, a value that is not finite. Numeric if every block is one tie.
/// Checked  golden eval.friedman.
Friedman friedman(MatrixView value_NK);

}  // namespace eosin::eval
