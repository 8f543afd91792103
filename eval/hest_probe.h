#pragma once
// How well gene expression of a spot follows linearly from its tile's features (HEST-1k, Jaume et al. 2024, arXiv:2406.16192).
#include "core/tensor/tensor.h"
#include "eval/pca.h"
#include "eval/ridge.h"

#include <vector>

namespace eosin::eval {

/// Columns standardised and reduced to n_components by training rows, then ridge with alpha = 100 / (n_components T) without intercept.
/// Differs  the equations are solved exactly; HEST's code stops its iterative solver at 1e-4.
struct HestProbe {
  Pca pca;
  Ridge ridge;
  /// Errors   as fit_pca and fit_ridge.
  static HestProbe fit(const Tensor& x_ND, MatrixView y_NT, int64_t n_components = 256);
  Matrix predict(const Tensor& x_MD) const { return ridge.predict(pca.apply(x_MD)); }
};

struct HestScore {
  std::vector<double> pearson;  // one a gene
  double mean = 0, sd = 0;      // over genes; population sd
};
/// Errors   as pearson_columns: Numeric, naming the column, if a gene is constant on the test rows.
/// Checked  golden eval.hest_probe.
HestScore hest_score(MatrixView target_MT, MatrixView pred_MT);

}  // namespace eosin::eval
