#include "eval/kmeans.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "eval/distances.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.kmeans";
constexpr int64_t kBlock = 256;

/// f(begin, block) for blocks of rows, in parallel.
template <class F>
void for_each_block(const RowReader& rows, F f) {
  const int64_t blocks = (rows.rows() + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) f(b * kBlock, rows.read(b * kBlock, std::min((b + 1) * kBlock, rows.rows())));
  });
}

struct Assignment {
  std::vector<int64_t> label;
  std::vector<double> distance;  // squared
};
Assignment assign(const RowReader& rows, const Matrix& center) {
  Assignment a{std::vector<int64_t>(rows.rows()), std::vector<double>(rows.rows())};
  for_each_block(rows, [&](int64_t begin, const Tensor& block) {
    Matrix d(block.size(0), center.rows);
    squared_distances(d.rows, d.cols, rows.dim(), block.const_data_ptr<double>(), center.values.data(), d.values.data());
    for (int64_t i = 0; i < d.rows; ++i) {
      const auto row = d.row(i);
      const auto nearest = std::min_element(row.begin(), row.end());
      a.label[begin + i] = nearest - row.begin(), a.distance[begin + i] = *nearest;
    }
  });
  return a;
}

/// Every cluster keeps a row: an empty one takes the farthest row of a cluster that has others.
void fill_empty(Assignment& a, int64_t clusters) {
  std::vector<int64_t> size(static_cast<size_t>(clusters));
  for (int64_t c : a.label) ++size[c];
  for (int64_t c = 0; c < clusters; ++c) {
    if (size[c] > 0) continue;
    int64_t farthest = -1;
    for (size_t i = 0; i < a.label.size(); ++i)
      if (size[a.label[i]] > 1 && (farthest < 0 || a.distance[i] > a.distance[farthest])) farthest = static_cast<int64_t>(i);
    --size[a.label[farthest]], ++size[c];
    a.label[farthest] = c, a.distance[farthest] = 0;
  }
}

Matrix means(const RowReader& rows, const std::vector<int64_t>& label, int64_t clusters) {
  Matrix center(clusters, rows.dim());
  std::vector<double> count(static_cast<size_t>(clusters));
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const Tensor block = rows.read(begin, std::min(begin + kBlock, rows.rows()));
    const double* x = block.const_data_ptr<double>();
    for (int64_t i = 0; i < block.size(0); ++i) {
      count[label[begin + i]] += 1;
      for (double& c : center.row(label[begin + i])) c += *x++;
    }
  }
  for (int64_t c = 0; c < clusters; ++c)
    for (double& v : center.row(c)) v /= count[c];
  return center;
}

/// Each next centre is a row drawn with a chance in proportion to its squared distance from the centres so far.
Matrix plus_plus(const RowReader& rows, int64_t clusters, uint64_t seed, uint64_t start) {
  RandomStream draws(seed, start, 0, RandomOp::kInit);
  Matrix center(clusters, rows.dim());
  std::vector<double> nearest(rows.rows(), std::numeric_limits<double>::infinity());
  int64_t chosen = draws.below(static_cast<uint32_t>(rows.rows()));
  for (int64_t c = 0; c < clusters; ++c) {
    const Tensor row = rows.read(chosen, chosen + 1);
    std::copy_n(row.const_data_ptr<double>(), rows.dim(), center.row(c).begin());
    for_each_block(rows, [&](int64_t begin, const Tensor& block) {
      std::vector<double> d(block.size(0));
      squared_distances(block.size(0), 1, rows.dim(), block.const_data_ptr<double>(), center.row(c).data(), d.data());
      for (size_t i = 0; i < d.size(); ++i) nearest[begin + i] = std::min(nearest[begin + i], d[i]);
    });
    double total = 0;
    for (double d : nearest) total += d;
    double left = draws.uniform_double() * total;
    chosen = 0;
    while (chosen + 1 < rows.rows() && (nearest[chosen] == 0 || left >= nearest[chosen])) left -= nearest[chosen++];
  }
  return center;
}

KMeans lloyd(const RowReader& rows, Matrix center, int64_t max_updates) {
  KMeans k;
  Assignment now = assign(rows, center);
  while (k.updates < max_updates && !k.converged) {
    fill_empty(now, center.rows);
    center = means(rows, now.label, center.rows);
    ++k.updates;
    Assignment next = assign(rows, center);
    k.converged = next.label == now.label;
    now = std::move(next);
  }
  for (double d : now.distance) k.inertia += d;
  k.label = std::move(now.label), k.center_KD = std::move(center);
  return k;
}

void check_clusters(int64_t clusters, const RowReader& rows) {
  EOSIN_CHECK(clusters >= 1 && clusters <= rows.rows(), Data, "[{}] too few samples for {} clusters (got {} rows)", kWhere, clusters, rows.rows());
}

void check_width(const Matrix& center, const RowReader& rows) {
  EOSIN_CHECK(center.cols == rows.dim(), Shape, "[{}] centres differ in width from the features (got {}, need {})", kWhere, center.cols, rows.dim());
}

}  // namespace

KMeans kmeans(const Tensor& x_ND, Matrix center_KD, int64_t max_updates, const RowTransform& transform) {
  const RowReader rows(x_ND, transform, kWhere);
  check_width(center_KD, rows);
  check_clusters(center_KD.rows, rows);
  for (double v : center_KD.values) EOSIN_CHECK(std::isfinite(v), Data, "[{}] a centre is not finite (got {})", kWhere, v);
  return lloyd(rows, std::move(center_KD), max_updates);
}

KMeans kmeans(const Tensor& x_ND, const KMeansOptions& o) {
  const RowReader rows(x_ND, o.transform, kWhere);
  check_clusters(o.clusters, rows);
  EOSIN_CHECK(o.starts >= 1, Config, "[{}] number of starts must be positive (got {})", kWhere, o.starts);
  std::optional<KMeans> best;
  for (int64_t start = 0; start < o.starts; ++start) {
    KMeans run = lloyd(rows, plus_plus(rows, o.clusters, o.seed, static_cast<uint64_t>(start)), o.max_updates);
    if (!best || run.inertia < best->inertia) best = std::move(run);
  }
  return std::move(*best);
}

std::vector<int64_t> nearest_center(const Tensor& x_MD, const Matrix& center_KD, const RowTransform& transform) {
  const RowReader rows(x_MD, transform, kWhere);
  check_width(center_KD, rows);
  return assign(rows, center_KD).label;
}

}  // namespace eosin::eval
