#include "eval/slide_collapse.h"

#include "core/base/error.h"
#include "eval/knn.h"
#include "eval/silhouette.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.slide_collapse";
constexpr int64_t kBlock = 1024;

/// Between-slide share of the sum of squares about the mean.
double variance_share(const RowReader& rows, std::span<const int64_t> slide) {
  struct Sum {
    std::vector<double> x;
    double n = 0;
  };
  std::map<int64_t, Sum> sums;
  std::vector<double> mean(static_cast<size_t>(rows.dim()));
  const auto each = [&](auto use) {
    for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
      const Tensor block = rows.read(begin, std::min(begin + kBlock, rows.rows()));
      for (int64_t i = 0; i < block.size(0); ++i) use(begin + i, block.const_data_ptr<double>() + i * rows.dim());
    }
  };
  each([&](int64_t i, const double* x) {
    Sum& s = sums[slide[i]];
    s.x.resize(mean.size());
    s.n += 1;
    for (size_t d = 0; d < mean.size(); ++d) s.x[d] += x[d], mean[d] += x[d] / static_cast<double>(rows.rows());
  });
  double total = 0, between = 0;
  each([&](int64_t, const double* x) {
    for (size_t d = 0; d < mean.size(); ++d) total += (x[d] - mean[d]) * (x[d] - mean[d]);
  });
  for (const auto& [id, s] : sums)
    for (size_t d = 0; d < mean.size(); ++d) between += s.n * (s.x[d] / s.n - mean[d]) * (s.x[d] / s.n - mean[d]);
  EOSIN_CHECK(total > 0, Numeric, "[{}] undefined: every row points in the same direction", kWhere);
  return between / total;
}

}  // namespace

SlideCollapse slide_collapse(const Tensor& x_ND, std::span<const int64_t> slide, std::span<const int64_t> target, int64_t k) {
  RowTransform unit;
  unit.unit = true;
  const RowReader rows(x_ND, unit, kWhere);
  const int64_t n = rows.rows();
  check_length(kWhere, "slides", slide.size(), static_cast<size_t>(n));
  check_length(kWhere, "labels", target.size(), static_cast<size_t>(n));
  std::vector<int64_t> self(static_cast<size_t>(n));
  std::iota(self.begin(), self.end(), int64_t{0});
  const Neighbors found = nearest_neighbors(x_ND, x_ND, k, Similarity::Euclidean, unit, {self, self});
  std::map<int64_t, double> size;
  for (int64_t s : slide) size[s] += 1;
  SlideCollapse r;
  double same = 0, chance = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < k; ++j) same += slide[found.index[i * k + j]] == slide[i];
    chance += (size[slide[i]] - 1) / static_cast<double>(n - 1);
  }
  r.same_slide_fraction = same / static_cast<double>(n * k);
  r.chance = chance / static_cast<double>(n);
  EOSIN_CHECK(r.chance > 0, Data, "[{}] every slide has a single row, so none can share a neighbour's slide", kWhere);
  r.lift = r.same_slide_fraction / r.chance;
  r.slide_variance_share = variance_share(rows, slide);
  r.silhouette_slide = silhouette(x_ND, slide, SilhouetteMetric::Euclidean, unit).value;
  r.silhouette_class = silhouette(x_ND, target, SilhouetteMetric::Euclidean, unit).value;
  return r;
}

}  // namespace eosin::eval
