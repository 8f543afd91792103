#include "eval/rows.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::eval {
namespace {

constexpr int64_t kBlock = 1024;

template <class F>
void for_each_row(const Tensor& x_ND, F row) {
  for (int64_t begin = 0; begin < x_ND.size(0); begin += kBlock) {
    const Tensor block = x_ND.slice(0, begin, std::min(begin + kBlock, x_ND.size(0))).to(at::kDouble).contiguous();
    for (int64_t i = 0; i < block.size(0); ++i) row(begin + i, block.const_data_ptr<double>() + i * block.size(1));
  }
}

}  // namespace

RowTransform RowTransform::centered(const Tensor& x_ND) {
  RowTransform t;
  t.center.assign(x_ND.size(1), 0.0);
  for_each_row(x_ND, [&](int64_t, const double* x) {
    for (size_t d = 0; d < t.center.size(); ++d) t.center[d] += x[d];
  });
  for (double& c : t.center) c /= static_cast<double>(x_ND.size(0));
  return t;
}

RowTransform RowTransform::standardized(const Tensor& x_ND) {
  RowTransform t = centered(x_ND);
  t.scale.assign(t.center.size(), 0.0);
  for_each_row(x_ND, [&](int64_t, const double* x) {
    for (size_t d = 0; d < t.scale.size(); ++d) t.scale[d] += (x[d] - t.center[d]) * (x[d] - t.center[d]);
  });
  for (double& s : t.scale) s = s > 0 ? std::sqrt(s / static_cast<double>(x_ND.size(0))) : 1.0;
  return t;
}

RowReader::RowReader(const Tensor& x_ND, RowTransform transform, std::string_view where)
    : x_ND_(x_ND.detach()), transform_(std::move(transform)), where_(where) {
  EOSIN_CHECK(x_ND.dim() == 2, Shape, "[{}] features need two dimensions (got {})", where_, x_ND.dim());
  rows_ = x_ND.size(0), dim_ = x_ND.size(1);
  EOSIN_CHECK(rows_ > 0 && dim_ > 0, Data, "[{}] there are no features (got {} x {})", where_, rows_, dim_);
  for_each_row(x_ND_, [&](int64_t i, const double* x) {
    for (int64_t d = 0; d < dim_; ++d) EOSIN_CHECK(std::isfinite(x[d]), Data, "[{}] feature {} of row {} is not finite (got {})", where_, d, i, x[d]);
  });
}

Tensor RowReader::read(int64_t begin, int64_t end) const {
  const bool change = transform_.unit || !transform_.center.empty();
  Tensor block = x_ND_.slice(0, begin, end).to(at::kDouble).contiguous();
  if (!change) return block;
  if (block.const_data_ptr() == x_ND_.slice(0, begin, end).const_data_ptr()) block = block.clone();
  double* data = block.mutable_data_ptr<double>();
  for (int64_t i = 0; i < end - begin; ++i, data += dim_) {
    for (size_t d = 0; d < transform_.center.size(); ++d) data[d] -= transform_.center[d];
    for (size_t d = 0; d < transform_.scale.size(); ++d) data[d] /= transform_.scale[d];
    if (!transform_.unit) continue;
    double square = 0;
    for (int64_t d = 0; d < dim_; ++d) square += data[d] * data[d];
    const double length = std::max(std::sqrt(square), transform_.least_length);
    EOSIN_CHECK(length > 0, Data, "[{}] row {} has length 0 where a direction is needed; leave it out", where_, begin + i);
    for (int64_t d = 0; d < dim_; ++d) data[d] /= length;
  }
  return block;
}

}  // namespace eosin::eval
