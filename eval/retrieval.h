#pragma once
// Retrieval of regions: which labels the nearest keys of a query have.
#include "eval/knn.h"

#include <vector>

namespace eosin::eval {

/// What sum of precision@j over hits is divided by.
/// Hits   the number of hits among the first k; 0 without a hit.
/// K      k (Patho-Bench): 1 only if all of the first k are hits.
enum class MapNorm { Hits, K };
struct RetrievalOptions {
  std::vector<int64_t> k = {1, 3, 5};
  Similarity similarity = Similarity::Dot;
  RowTransform transform = {.unit = true};  // cosine
  MapNorm map_norm = MapNorm::Hits;
};
/// Transform that subtracts the mean of the keys and scales rows to unit length.
RowTransform centered_unit(const Tensor& keys_ND);

struct Retrieval {
  int64_t queries = 0, depth = 0;  // depth: the largest k
  std::vector<int64_t> label;      // [queries, depth] labels of the neighbours, nearest first
  // [queries, one a k]; their means over the queries are what is reported.
  Matrix acc;         // some of the first k has the query's label
  Matrix mv_acc;      // the query's label is among the most frequent of the first k: a tie counts as right
  Matrix mv_nearest;  // it is the most frequent, ties to the label of the nearest
  Matrix precision;   // average precision at k
};
/// Means of the columns.
std::vector<double> over_queries(const Matrix& values);

/// Labels at the nearest keys, those of the query's own group left out (`own`).
///
/// Shapes   keys_ND, target N; queries_MD, target_test M.
/// Errors   as nearest_neighbors; Data if lengths differ; Config if no k is given or one is not positive.
/// Checked  golden eval.retrieval_at_k.
Retrieval retrieval_at_k(const Tensor& keys_ND, std::span<const int64_t> target, const Tensor& queries_MD, std::span<const int64_t> target_test,
                         const RetrievalOptions& options = {}, const OwnGroup& own = {});

}  // namespace eosin::eval
