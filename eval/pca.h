#pragma once
// Principal components of features that do not fit into memory as float64.
#include "core/tensor/tensor.h"
#include "eval/matrix.h"
#include "eval/rows.h"

#include <vector>

namespace eosin::eval {

/// Fitted on training rows, applied to any.
struct Pca {
  RowTransform before;  // what is done to rows first
  std::vector<double> mean;
  Matrix components_KD;                                              // right singular vectors, each with its entry of largest magnitude positive
  std::vector<double> explained_variance, explained_variance_ratio;  // s^2 / (N - 1), and its share of the total
  bool whiten = false;

  /// (x - mean) components^T, divided by sqrt(explained_variance) when whitened; float64 [M, K].
  ///
  /// Errors   as RowReader; Shape if the width differs. Numeric if a whitened component has no variance.
  Tensor apply(const Tensor& x_MD) const;
};

/// Triangular factors of blocks of rows, joined one after the other (Golub and Van Loan, TSQR), then one small singular value decomposition:
/// as exact as that of all rows, in memory of a block.
///
/// Errors   as RowReader; Data if n_components is not in 1 ... min(N, D), or there are fewer than 2 rows.
/// Checked  golden eval.pca.
Pca fit_pca(const Tensor& x_ND, int64_t n_components, bool whiten = false, RowTransform before = {});

}  // namespace eosin::eval
