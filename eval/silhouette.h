#pragma once
// Whether rows lie nearer to their own cluster than to the next.
#include "core/tensor/tensor.h"
#include "eval/rows.h"

#include <span>
#include <vector>

namespace eosin::eval {

enum class SilhouetteMetric { Euclidean, Cosine };
struct Silhouette {
  std::vector<double> sample;  // [N], -1 ... 1
  double value = 0;            // their mean
};
/// (b - a) / max(a, b), a the mean distance to the other members and b the smallest mean distance to another cluster; 0 for a single member
/// (Rousseeuw 1987). O(N^2 D) time, memory of a block; the same bits for any number of threads.
///
/// Shapes   x_ND; cluster N, any ids.
/// Errors   as RowReader; Data if lengths differ or there is a single cluster.
/// Checked  golden eval.silhouette.
Silhouette silhouette(const Tensor& x_ND, std::span<const int64_t> cluster, SilhouetteMetric metric = SilhouetteMetric::Euclidean,
                      RowTransform transform = {});

}  // namespace eosin::eval
