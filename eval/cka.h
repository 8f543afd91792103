#pragma once
// Similarity of two representations of the same samples.
#include "core/tensor/tensor.h"

namespace eosin::eval {

/// Linear centred kernel alignment (Kornblith et al. 2019, arXiv:1905.00414): <K', L'> / (|K'| |L'|) of the centred Gram matrices; 1 for equal
/// up to rotation and scale. `debiased`: with the unbiased estimator of Szekely and Rizzo 2014, for few samples in many dimensions.
/// Computed from D1 x D2 products in O(N D1 D2): Gram matrices are never built.
///
/// Shapes   x [N, D1], y [N, D2].
/// Errors   as RowReader; Data if the rows differ in number, or are fewer than 2 (debiased: 4). Numeric if a side is constant.
/// Checked  golden eval.cka; tests/eval/test_representation.cpp: Gram matrices one by one.
double linear_cka(const Tensor& x_NE, const Tensor& y_NF, bool debiased = false);

}  // namespace eosin::eval
