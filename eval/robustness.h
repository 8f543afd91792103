#pragma once
// Whether features follow biology or the medical centre: PathoROB's three measures (Koemen et al. 2025, arXiv:2507.17845).
#include "core/tensor/tensor.h"
#include "eval/input.h"

#include <vector>

namespace eosin::eval {

/// What is known of each tile; any ids. `subset` empty: all tiles are one set.
struct TileOrigins {
  std::span<const int64_t> biological_class, center, slide, subset;
};

/// The k nearest of every tile by Euclidean distance of unit rows, nearest first, within its subset and without its own slide.
struct TileNeighbors {
  int64_t k = 0;
  std::vector<int64_t> index;  // [N, k], rows of the features

  std::span<const int64_t> of(int64_t tile) const { return {index.data() + tile * k, static_cast<size_t>(k)}; }
};
/// Errors   as nearest_neighbors, so that every tile must have k neighbours; Data if lengths differ.
TileNeighbors tile_neighbors(const Tensor& x_ND, const TileOrigins& tiles, int64_t k);

/// Of a pair of tiles: same or other class, same or other centre.
enum class PairKind { SS, SO, OS, OO };
PairKind kind_of(const TileOrigins& tiles, int64_t a, int64_t b);
/// The most frequent class, of equal ones the lowest.
int64_t majority_class(const TileOrigins& tiles, std::span<const int64_t> neighbors);

/// Neighbours by kind: first letter same / other class, second same / other centre. Vectors [k], cumulated over all tiles up to each rank.
struct RobustnessIndex {
  std::vector<double> index;                  // SO / (SO + OS)
  std::vector<double> ss, so, os, oo;         // shares of all neighbours
  std::vector<double> knn_balanced_accuracy;  // one a subset, ascending: majority class of the k neighbours, ties to the lowest class
};
/// Counts over the neighbours of all tiles, pooled over subsets.
///
/// Errors   as tile_neighbors; Numeric if up to some rank no neighbour is SO or OS.
/// Checked  golden eval.robustness_index.
RobustnessIndex robustness_index(const Tensor& x_ND, const TileOrigins& tiles, int64_t k);

struct PerformanceDrop {
  std::vector<double> per_repetition;
  double value = 0;  // their mean
};
/// Average performance drop: mean over splits s >= 1 of accuracy[s] / accuracy[0], minus 1; split 0 is the one without confounding.
///
/// Shapes   accuracy [splits, repetitions].
/// Errors   Data: fewer than 2 splits, no repetition, a value that is not finite. Numeric if an accuracy of split 0 is 0.
/// Checked  golden eval.average_performance_drop.
PerformanceDrop average_performance_drop(MatrixView accuracy_SR);

/// Agreement of two partitions beyond chance (Hubert and Arabie 1985); 1 if both are one cluster or both single rows.
///
/// Errors   Data: no samples or lengths differ.
double adjusted_rand_index(std::span<const int64_t> a, std::span<const int64_t> b);

struct ClusteringScore {
  double ari_bio = 0, ari_center = 0;
  double value = 0;  // ari_bio - ari_center
};
/// Checked  golden eval.clustering_score.
ClusteringScore clustering_score(std::span<const int64_t> cluster, std::span<const int64_t> biological_class, std::span<const int64_t> center);

}  // namespace eosin::eval
