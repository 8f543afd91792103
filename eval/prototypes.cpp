#include "eval/prototypes.h"

#include "core/base/error.h"
#include "eval/distances.h"
#include "eval/product.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.simpleshot";
constexpr int64_t kBlock = 1024;

/// f(begin, block) for the rows in order.
template <class F>
void for_each_block(const RowReader& rows, F f) {
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) f(begin, rows.read(begin, std::min(begin + kBlock, rows.rows())));
}

}  // namespace

Prototypes Prototypes::fit(const Tensor& x_ND, Labels target, int64_t num_classes, const PrototypeOptions& o) {
  check_labels(kWhere, target, num_classes);
  const RowReader checked(x_ND, {}, kWhere);
  check_length(kWhere, "features", static_cast<size_t>(checked.rows()), target.size());
  Prototypes p;
  if (o.center) p.transform_ = RowTransform::centered(x_ND);
  p.transform_.unit = o.normalize, p.transform_.least_length = 1e-12;
  p.prototype_CD_ = Matrix(num_classes, checked.dim());
  std::vector<double> count(static_cast<size_t>(num_classes));
  for_each_block(RowReader(x_ND, p.transform_, kWhere), [&](int64_t begin, const Tensor& block) {
    const double* x = block.const_data_ptr<double>();
    for (int64_t i = 0; i < block.size(0); ++i, x += block.size(1)) {
      const auto row = p.prototype_CD_.row(target[begin + i]);
      for (size_t d = 0; d < row.size(); ++d) row[d] += x[d];
      count[target[begin + i]] += 1;
    }
  });
  for (int64_t c = 0; c < num_classes; ++c) {
    EOSIN_CHECK(count[c] > 0, Data, "[{}] class {} has no support row (need 1 of each class); leave the class out", kWhere, c);
    for (double& v : p.prototype_CD_.row(c)) v /= count[c];
  }
  return p;
}

Matrix Prototypes::distances(const Tensor& x_MD) const {
  const RowReader rows(x_MD, transform_, kWhere);
  EOSIN_CHECK(rows.dim() == prototype_CD_.cols, Shape, "[{}] features differ in width from the prototypes (got {}, need {})", kWhere, rows.dim(),
              prototype_CD_.cols);
  Matrix d(rows.rows(), prototype_CD_.rows);
  for_each_block(rows, [&](int64_t begin, const Tensor& block) {
    squared_distances(block.size(0), prototype_CD_.rows, rows.dim(), block.const_data_ptr<double>(), prototype_CD_.values.data(),
                      d.row(begin).data());
  });
  for (double& v : d.values) v = std::sqrt(v);
  return d;
}

BagVote Prototypes::vote(const Tensor& bag_MD, int64_t topk, BagSimilarity similarity) const {
  const RowReader rows(bag_MD, transform_, "eval.protonet");
  const int64_t classes = prototype_CD_.rows, dim = rows.dim();
  EOSIN_CHECK(dim == prototype_CD_.cols, Shape, "[eval.protonet] the bag differs in width from the prototypes (got {}, need {})", dim,
              prototype_CD_.cols);
  EOSIN_CHECK(topk > 0, Config, "[eval.protonet] topk must be positive (got {})", topk);
  EOSIN_CHECK(topk <= rows.rows(), Data, "[eval.protonet] too few samples: the bag has {} rows (need topk = {}); lower topk", rows.rows(), topk);
  Matrix value(classes, rows.rows());  // smaller is nearer
  for_each_block(rows, [&](int64_t begin, const Tensor& block) {
    const int64_t n = block.size(0);
    const double* x = block.const_data_ptr<double>();
    Matrix part(n, classes);
    if (similarity == BagSimilarity::L2)
      squared_distances(n, classes, dim, x, prototype_CD_.values.data(), part.values.data());
    else
      multiply_add(n, classes, dim, {x, dim, 1}, {prototype_CD_.values.data(), 1, dim}, part.values.data(), classes);
    const double sign = similarity == BagSimilarity::L2 ? 1 : -1;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < classes; ++c) value(c, begin + i) = sign * part(i, c);
  });
  BagVote v;
  for (int64_t c = 0; c < classes; ++c) {
    const auto row = value.row(c);
    std::partial_sort(row.begin(), row.begin() + topk, row.end());
    v.score.push_back(std::accumulate(row.begin(), row.begin() + topk, 0.0) / static_cast<double>(topk));
    if (v.score[c] < v.score[v.pred]) v.pred = c;
  }
  if (similarity == BagSimilarity::InnerProduct)
    for (double& s : v.score) s = -s;
  return v;
}

std::vector<int64_t> argmin_rows(MatrixView d) {
  std::vector<int64_t> best;
  for (int64_t i = 0; i < d.rows; ++i) best.push_back(std::min_element(d.row(i).begin(), d.row(i).end()) - d.row(i).begin());
  return best;
}

}  // namespace eosin::eval
