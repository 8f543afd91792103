#pragma once
// Clusters of features.
#include "core/tensor/tensor.h"
#include "eval/matrix.h"
#include "eval/rows.h"

#include <vector>

namespace eosin::eval {

struct KMeans {
  Matrix center_KD;
  std::vector<int64_t> label;  // [N], of the final centres; lowest index on ties
  double inertia = 0;          // sum of squared distances to them
  int64_t updates = 0;
  bool converged = false;
};
/// Lloyd's algorithm (Lloyd 1982) from given centres, until no label changes or `max_updates` updates are done; the same bits for any number of
/// threads. A cluster that loses its last row takes the row that is farthest from its centre.
///
/// Errors   as RowReader; Shape if widths differ; Data if there are more centres than rows, or none.
/// Checked  golden eval.kmeans; tests/eval/test_clusters.cpp.
KMeans kmeans(const Tensor& x_ND, Matrix center_KD, int64_t max_updates = 300, const RowTransform& transform = {});

struct KMeansOptions {
  int64_t clusters = 8, starts = 10, max_updates = 300;
  uint64_t seed = 0;
  RowTransform transform = {};
};
/// The run with the least inertia of `starts` runs from k-means++ centres (Arthur and Vassilvitskii 2007) drawn from (seed, start).
KMeans kmeans(const Tensor& x_ND, const KMeansOptions& options);

/// Nearest centre of each row, the lowest index among equals.
std::vector<int64_t> nearest_center(const Tensor& x_MD, const Matrix& center_KD, const RowTransform& transform = {});

}  // namespace eosin::eval
