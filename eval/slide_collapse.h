#pragma once
// Features that cluster by slide instead of by what is on it. The measure is our own; EXAONEPath 1.0 found the effect.
#include "core/tensor/tensor.h"

#include <span>

namespace eosin::eval {

struct SlideCollapse {
  double same_slide_fraction = 0;   // of the k nearest neighbours (Euclidean, unit rows, self left out), the mean share from the same slide
  double chance = 0;                // mean over rows of (n_slide - 1) / (N - 1)
  double lift = 0;                  // their ratio
  double slide_variance_share = 0;  // between-slide sum of squares / total
  double silhouette_slide = 0, silhouette_class = 0;
};
/// Shapes   x_ND; slide, target: N, any ids.
/// Errors   as nearest_neighbors and silhouette; Data if a row has length 0, there is one slide only, one class only, or every slide has one row.
/// Checked  golden eval.slide_collapse.
SlideCollapse slide_collapse(const Tensor& x_ND, std::span<const int64_t> slide, std::span<const int64_t> target, int64_t k = 50);

}  // namespace eosin::eval
