#include "eval/silhouette.h"

#include "core/base/error.h"
#include "eval/distances.h"
#include "eval/input.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.silhouette";
constexpr int64_t kQueries = 64, kKeys = 256;

/// Clusters as 0 ... K-1, and their sizes.
struct Clusters {
  std::vector<int64_t> of_row;
  std::vector<double> size;
};
Clusters number(std::span<const int64_t> cluster) {
  std::map<int64_t, int64_t> position;
  for (int64_t c : cluster) position.emplace(c, 0);
  int64_t next = 0;
  for (auto& [id, p] : position) p = next++;
  Clusters c{{}, std::vector<double>(position.size())};
  for (int64_t id : cluster) {
    c.of_row.push_back(position[id]);
    c.size[c.of_row.back()] += 1;
  }
  return c;
}

/// Sums of the distances of a block of rows to each cluster.
Matrix distance_sums(const RowReader& rows, const Tensor& block, const Clusters& clusters, SilhouetteMetric metric) {
  Matrix sum(block.size(0), static_cast<int64_t>(clusters.size.size())), d(block.size(0), kKeys);
  for (int64_t first = 0; first < rows.rows(); first += kKeys) {
    const Tensor keys = rows.read(first, std::min(first + kKeys, rows.rows()));
    const int64_t n = keys.size(0);
    squared_distances(block.size(0), n, rows.dim(), block.const_data_ptr<double>(), keys.const_data_ptr<double>(), d.values.data());
    for (int64_t i = 0; i < sum.rows; ++i)
      for (int64_t j = 0; j < n; ++j) {
        // Of unit rows, 1 - cosine is half the squared distance.
        const double square = d.values[i * n + j];
        sum(i, clusters.of_row[first + j]) += metric == SilhouetteMetric::Cosine ? 0.5 * square : std::sqrt(square);
      }
  }
  return sum;
}

double width(std::span<const double> sum, int64_t own, const std::vector<double>& size) {
  if (size[own] == 1) return 0;
  const double a = sum[own] / (size[own] - 1);
  double b = INFINITY;
  for (size_t c = 0; c < size.size(); ++c)
    if (static_cast<int64_t>(c) != own) b = std::min(b, sum[c] / size[c]);
  return a == b ? 0 : (b - a) / std::max(a, b);
}

}  // namespace

Silhouette silhouette(const Tensor& x_ND, std::span<const int64_t> cluster, SilhouetteMetric metric, RowTransform transform) {
  if (metric == SilhouetteMetric::Cosine) transform.unit = true;
  const RowReader rows(x_ND, std::move(transform), kWhere);
  check_length(kWhere, "clusters", cluster.size(), static_cast<size_t>(rows.rows()));
  const Clusters clusters = number(cluster);
  EOSIN_CHECK(clusters.size.size() > 1, Data, "[{}] a single cluster has no other to compare with (need 2)", kWhere);
  Silhouette s{std::vector<double>(cluster.size()), 0};
  at::parallel_for(0, (rows.rows() + kQueries - 1) / kQueries, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = b * kQueries;
      const Matrix sum = distance_sums(rows, rows.read(begin, std::min(begin + kQueries, rows.rows())), clusters, metric);
      for (int64_t i = 0; i < sum.rows; ++i) s.sample[begin + i] = width(sum.row(i), clusters.of_row[begin + i], clusters.size);
    }
  });
  s.value = std::accumulate(s.sample.begin(), s.sample.end(), 0.0) / static_cast<double>(s.sample.size());
  return s;
}

}  // namespace eosin::eval
