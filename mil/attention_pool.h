#pragma once
// Softmax pooling of bags: z = sum_i softmax_i(s) h_i, for one or several rows of scores.
#include "core/tensor/tensor.h"

#include <functional>
#include <utility>
#include <vector>

namespace eosin::mil {

struct Pooled {
  Tensor embedding_BKE, attention_KN, attention_raw_KN;
};

/// Softmax over the instances of each bag, no padding anywhere.
///
/// Shapes   scores_NK -> [N, K]; every column sums to 1 in each bag.
Tensor bag_softmax(const Tensor& scores_NK, const std::vector<int64_t>& offsets);
/// Sums of the rows of each bag with K sets of weights.
///
/// Shapes   weights_NK, values_NE -> [B, K, E].
Tensor weighted_sums(const Tensor& weights_NK, const Tensor& values_NE, const std::vector<int64_t>& offsets);
/// Attention pooling of packed bags (Ilse et al. 2018, arXiv:1802.04712, eq. 7 and 8), K rows of attention.
///
/// Shapes   scores_NK, values_NE.
/// Checked  golden mil.abmil, mil.clam_mb, mil.varlen_batch; tests/mil/test_attention_pool.cpp.
Pooled attention_pool(const Tensor& scores_NK, const Tensor& values_NE, const std::vector<int64_t>& offsets);

/// Scores [n, K] and values [n, E] of rows first_row ... first_row + n of a bag.
using ScoreRows = std::function<std::pair<Tensor, Tensor>(const Tensor& x_nD, int64_t first_row)>;
/// Attention pooling of one bag whose intermediate values do not fit: rows are taken `chunk_rows` at a time, each chunk gives its log-sum-exp
/// and its own softmax mean, and these few numbers are joined exactly. The backward pass computes each chunk again. Beyond the bag and its
/// scores the memory does not depend on N. `parameters` are all tensors that `score` reads and that get gradients.
///
/// Shapes   x_ND; returns embedding [1, K, E], attention (without gradient) [K, N].
/// Checked  tests/mil/test_attention_pool.cpp: values and gradients of attention_pool.
Pooled attention_pool_chunked(const Tensor& x_ND, const ScoreRows& score, const std::vector<Tensor>& parameters, int64_t chunk_rows);

}  // namespace eosin::mil
