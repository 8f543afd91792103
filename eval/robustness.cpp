#include "eval/robustness.h"

#include "core/base/error.h"
#include "eval/knn.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.robustness_index";

using Ints = std::vector<int64_t>;

Ints select(std::span<const int64_t> values, const Ints& rows) {
  Ints chosen;
  for (int64_t i : rows) chosen.push_back(values[i]);
  return chosen;
}

/// Rows of each subset, ascending by its id.
std::map<int64_t, Ints> subsets_of(const TileOrigins& tiles, int64_t n) {
  std::map<int64_t, Ints> rows;
  for (int64_t i = 0; i < n; ++i) rows[tiles.subset.empty() ? 0 : tiles.subset[i]].push_back(i);
  return rows;
}

double pairs(double n) { return n * (n - 1) / 2; }

}  // namespace

TileNeighbors tile_neighbors(const Tensor& x_ND, const TileOrigins& tiles, int64_t k) {
  EOSIN_CHECK(x_ND.dim() == 2, Shape, "[{}] features need two dimensions (got {})", kWhere, x_ND.dim());
  EOSIN_CHECK(x_ND.size(0) > 0, Data, "[{}] there is nothing to measure (got 0 tiles, need at least 1)", kWhere);
  EOSIN_CHECK(k > 0, Config, "[{}] k must be positive (got {})", kWhere, k);
  const auto n = static_cast<size_t>(x_ND.size(0));
  check_length(kWhere, "classes", tiles.biological_class.size(), n);
  check_length(kWhere, "centres", tiles.center.size(), n);
  check_length(kWhere, "slides", tiles.slide.size(), n);
  if (!tiles.subset.empty()) check_length(kWhere, "subsets", tiles.subset.size(), n);
  TileNeighbors r{k, Ints(n * static_cast<size_t>(k))};
  RowTransform unit;
  unit.unit = true;
  for (const auto& [id, rows] : subsets_of(tiles, x_ND.size(0))) {
    const Tensor x = x_ND.index_select(0, at::tensor(rows, at::kLong));
    const Ints slide = select(tiles.slide, rows);
    const Neighbors found = nearest_neighbors(x, x, k, Similarity::Euclidean, unit, {slide, slide});
    for (size_t i = 0; i < rows.size(); ++i)
      for (int64_t j = 0; j < k; ++j) r.index[rows[i] * k + j] = rows[found.index[static_cast<int64_t>(i) * k + j]];
  }
  return r;
}

PairKind kind_of(const TileOrigins& t, int64_t a, int64_t b) {
  return static_cast<PairKind>(2 * (t.biological_class[a] != t.biological_class[b]) + (t.center[a] != t.center[b]));
}

int64_t majority_class(const TileOrigins& tiles, std::span<const int64_t> neighbors) {
  std::map<int64_t, int64_t> votes;
  for (int64_t i : neighbors) ++votes[tiles.biological_class[i]];
  return std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
}

RobustnessIndex robustness_index(const Tensor& x_ND, const TileOrigins& tiles, int64_t k) {
  const TileNeighbors near = tile_neighbors(x_ND, tiles, k);
  RobustnessIndex r;
  std::vector<std::array<double, 4>> counts(static_cast<size_t>(k));  // by rank and kind
  for (const auto& [id, rows] : subsets_of(tiles, x_ND.size(0))) {
    std::map<int64_t, std::pair<double, double>> recall;  // class -> hits, samples
    for (int64_t i : rows) {
      for (int64_t j = 0; j < k; ++j) counts[j][static_cast<size_t>(kind_of(tiles, i, near.of(i)[j]))] += 1;
      auto& [hits, samples] = recall[tiles.biological_class[i]];
      hits += majority_class(tiles, near.of(i)) == tiles.biological_class[i], samples += 1;
    }
    double total = 0;
    for (const auto& [c, of_class] : recall) total += of_class.first / of_class.second;
    r.knn_balanced_accuracy.push_back(total / static_cast<double>(recall.size()));
  }
  std::array<double, 4> sum{};
  for (int64_t j = 0; j < k; ++j) {
    for (int kind = 0; kind < 4; ++kind) sum[kind] += counts[j][kind];
    const double all = sum[0] + sum[1] + sum[2] + sum[3], so = sum[1], os = sum[2];
    EOSIN_CHECK(so + os > 0, Numeric, "[{}] undefined up to rank {}: no neighbour differs in class or centre alone; raise k or add centres", kWhere,
                j + 1);
    r.index.push_back(so / (so + os));
    r.ss.push_back(sum[0] / all), r.so.push_back(so / all), r.os.push_back(os / all), r.oo.push_back(sum[3] / all);
  }
  return r;
}

PerformanceDrop average_performance_drop(MatrixView accuracy) {
  constexpr const char* kDrop = "eval.average_performance_drop";
  EOSIN_CHECK(accuracy.rows > 1 && accuracy.cols > 0, Data, "[{}] too few samples (got {} splits of {} repetitions, need 2 of 1)", kDrop,
              accuracy.rows, accuracy.cols);
  check_finite(kDrop, "accuracy", accuracy.all());
  PerformanceDrop d;
  for (int64_t r = 0; r < accuracy.cols; ++r) {
    EOSIN_CHECK(accuracy(0, r) != 0, Numeric, "[{}] undefined: repetition {} has accuracy 0 without confounding", kDrop, r);
    double sum = 0;
    for (int64_t s = 1; s < accuracy.rows; ++s) sum += accuracy(s, r) / accuracy(0, r);
    d.per_repetition.push_back(sum / static_cast<double>(accuracy.rows - 1) - 1);
  }
  d.value = std::accumulate(d.per_repetition.begin(), d.per_repetition.end(), 0.0) / static_cast<double>(accuracy.cols);
  return d;
}

double adjusted_rand_index(std::span<const int64_t> a, std::span<const int64_t> b) {
  EOSIN_CHECK(!a.empty(), Data, "[eval.clustering_score] there is nothing to measure (got 0 samples, need at least 1)");
  check_length("eval.clustering_score", "labels", b.size(), a.size());
  std::map<std::pair<int64_t, int64_t>, double> both;
  std::map<int64_t, double> of_a, of_b;
  for (size_t i = 0; i < a.size(); ++i) both[{a[i], b[i]}] += 1, of_a[a[i]] += 1, of_b[b[i]] += 1;
  double together = 0, in_a = 0, in_b = 0;
  for (const auto& [key, n] : both) together += pairs(n);
  for (const auto& [key, n] : of_a) in_a += pairs(n);
  for (const auto& [key, n] : of_b) in_b += pairs(n);
  const double all = pairs(static_cast<double>(a.size())), expected = all > 0 ? in_a * in_b / all : 0, most = (in_a + in_b) / 2;
  return most == expected ? 1 : (together - expected) / (most - expected);
}

ClusteringScore clustering_score(std::span<const int64_t> cluster, std::span<const int64_t> biological_class, std::span<const int64_t> center) {
  ClusteringScore s;
  s.ari_bio = adjusted_rand_index(biological_class, cluster);
  s.ari_center = adjusted_rand_index(center, cluster);
  s.value = s.ari_bio - s.ari_center;
  return s;
}

}  // namespace eosin::eval
