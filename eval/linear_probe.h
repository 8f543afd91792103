#pragma once
// Logistic regression on frozen features, to its unique minimum, in float64.
#include "core/tensor/tensor.h"
#include "eval/input.h"
#include "eval/lbfgs.h"
#include "eval/rows.h"

#include <optional>
#include <vector>

namespace eosin::eval {

/// L2Squared  C sum_i w_i CE_i + ||W||^2 / 2; two classes share one sigmoid (scikit-learn's problem).
/// L2Norm     mean_i w_i CE_i + ||W|| / (2 C), the norm not squared, softmax for two classes too (UNI's code).
enum class Penalty { L2Squared, L2Norm };

struct LinearProbeOptions {
  std::optional<double> C;  // absent: D * classes / 100, UNI's cost
  Penalty penalty = Penalty::L2Squared;
  bool fit_intercept = true;  // never penalised
  bool balanced = false;      // sample weight N / (classes * n_class)
  RowTransform transform;     // of training and test rows; fit it on the training rows
  LbfgsOptions solver;
};

struct LinearProbe {
  int64_t num_classes = 0;
  double C = 0;
  RowTransform transform;
  Matrix coef;  // [1, D] for two classes under L2Squared, else [classes, D]
  std::vector<double> intercept;
  double objective = 0, gradient_norm = 0;
  int64_t iterations = 0;
  bool converged = false;

  /// Shapes   x_MD any floating type; returns [M, num_classes].
  /// Errors   Shape if the width differs from the training features. Data if a value is not finite.
  Matrix probabilities(const Tensor& x_MD) const;
};

/// Fits by L-BFGS from zero (or from `warm`, a probe of the same shape); the same bits for any number of threads.
///
/// Shapes   x_ND any floating type on the CPU; target N.
/// Errors   Data if lengths differ, a class has no sample, or a feature is not finite. Config if C is not positive.
/// Checked  golden eval.linear_probe; tests/eval/test_linear_probe.cpp: gradient is zero, threads, warm start.
LinearProbe fit_linear_probe(const Tensor& x_ND, Labels target, int64_t num_classes, const LinearProbeOptions& options = {},
                             const LinearProbe* warm = nullptr);

}  // namespace eosin::eval
