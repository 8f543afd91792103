#pragma once
// How well gene expression of a spot follows linearly from its tile's features (HEST-1k, Jaume et al. 2024, arXiv:2406.16192).
#include "core/tensor/tensor.h"
#include "eval/pca.h"
#include "eval/ridge.h"

#include <optional>
#include <vector>

namespace eosin::eval {

struct HestOptions {
  int64_t n_components = 256;
  std::optional<double> alpha = {};  // absent: 100 / (n_components T)
  bool fit_intercept = false;
};
/// Columns standardised and reduced to n_components by training rows, then ridge.
///
/// Differs  the equations are solved exactly; HEST's code stops its iterative solver at 1e-4. An intercept, which HEST has not, changes no
///          correlation but makes errors and R2 mean something: the components have mean 0 on the training rows.
struct HestProbe {
  Pca pca;
  Ridge ridge;
  /// Errors   as fit_pca and fit_ridge.
  static HestProbe fit(const Tensor& x_ND, MatrixView y_NT, const HestOptions& options = {});
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
