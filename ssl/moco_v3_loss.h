#pragma once
#include "core/tensor/tensor.h"

#include <cstdint>

namespace eosin::ssl {

/// The contrastive term of MoCo v3 (Chen et al. 2021, arXiv:2104.02057, algorithm 1): 2 t CE(q k^T / t) with both normalised, where row i of
/// the queries belongs to row `first` + i of the keys. Several ranks: my queries, all keys, first = rank * B.
///
/// Shapes   queries_BD, keys_ND with first + B <= N; keys carry no gradient; returns a scalar.
/// Errors   Shape if the widths differ or a query's key is not there.
/// Checked  golden ssl.moco_v3; tests/ssl/test_moco_v3.cpp: gradcheck, parts of a batch add up to the whole.
Tensor moco_v3_contrast(const Tensor& queries_BD, const Tensor& keys_ND, double temperature, int64_t first = 0);

/// Both directions: c(q0, k1) + c(q1, k0).
Tensor moco_v3_loss(const Tensor& q0_BD, const Tensor& q1_BD, const Tensor& keys0_ND, const Tensor& keys1_ND, double temperature, int64_t first = 0);

}  // namespace eosin::ssl
