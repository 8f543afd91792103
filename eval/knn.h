#pragma once
// k-nearest-neighbour classification of frozen features. Never builds queries x keys: blocks of both, a running top-k.
#include "core/tensor/tensor.h"
#include "eval/input.h"
#include "eval/rows.h"

#include <vector>

namespace eosin::eval {

enum class Similarity { Dot, Euclidean };

/// The k nearest keys of each query, nearest first; equals in key order.
struct Neighbors {
  int64_t queries = 0, k = 0;
  std::vector<int64_t> index;      // [queries, k]
  std::vector<double> similarity;  // dot product, or minus the squared distance
};

/// Keys that a query must not find: those of its own group (its slide, its patient). Both empty: none.
struct OwnGroup {
  std::span<const int64_t> keys, queries;
};

/// Exact search, in float64, both sides read through `transform`; the same bits for any number of threads.
///
/// Shapes   keys_ND [N, D], queries_MD [M, D], any floating type on the CPU.
/// Errors   Shape if widths differ. Data if a side is empty, holds a value that is not finite, or has fewer than k keys;
///          a query with fewer than k keys outside its own group (names it).
/// Checked  tests/eval/test_knn.cpp: brute force, blocks, threads, own groups.
Neighbors nearest_neighbors(const Tensor& keys_ND, const Tensor& queries_MD, int64_t k, Similarity similarity, const RowTransform& transform = {},
                            const OwnGroup& own = {});

/// Dino      class score = sum of exp(s / temperature) of the k most similar (Caron et al. 2021).
/// DinoV2    softmax of s / temperature over the largest k; each k sums its first k weights (Oquab et al. 2023).
/// Majority  one vote each.
enum class KnnVote { Dino, DinoV2, Majority };

struct KnnOptions {
  KnnVote vote = KnnVote::Dino;
  std::vector<int64_t> k = {20};
  double temperature = 0.07;
  Similarity similarity = Similarity::Dot;
  RowTransform transform;  // {.unit = true} makes the dot product a cosine
};

/// For one k. Equal scores: the lowest class.
struct KnnPrediction {
  int64_t k = 0;
  Matrix score_MC;
  std::vector<int64_t> pred;
};

/// One prediction a k, in the order asked for.
///
/// Errors   as nearest_neighbors; Data if lengths differ or a label is outside the classes; Config if a k or the temperature is not positive.
/// Checked  golden eval.knn.
std::vector<KnnPrediction> knn_classify(const Tensor& x_ND, Labels target, const Tensor& x_test_MD, int64_t num_classes, const KnnOptions& options);

/// UNI's k-NN: centred by the mean of the keys, unit length, Euclidean, majority of k (Chen et al. 2024).
KnnOptions uni_knn_options(const Tensor& x_ND, int64_t k = 20);

}  // namespace eosin::eval
