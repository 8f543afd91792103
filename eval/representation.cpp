#include "eval/representation.h"

#include "core/base/error.h"
#include "eval/one_thread.h"
#include "eval/rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.representation";
constexpr int64_t kBlock = 1024;

double entropy_rank(const std::vector<double>& share) {
  double entropy = 0;
  for (double p : share)
    if (p > 0) entropy -= p * std::log(p);
  return std::exp(entropy);
}

double positive_sum(std::span<const double> singular) {
  const double sum = std::accumulate(singular.begin(), singular.end(), 0.0);
  EOSIN_CHECK(sum > 0, Numeric, "[{}] every singular value is 0: the features are constant", kWhere);
  return sum;
}

}  // namespace

std::vector<double> singular_values(const Tensor& x_ND, bool center) {
  const RowReader rows(x_ND, center && x_ND.dim() == 2 && x_ND.size(0) > 0 ? RowTransform::centered(x_ND) : RowTransform{}, kWhere);
  const OneThread guard;
  const Tensor s = at::linalg_svdvals(rows.read(0, rows.rows())).contiguous();
  const double* data = s.const_data_ptr<double>();
  return {data, data + s.numel()};
}

double rankme(std::span<const double> singular, double eps, EpsPlace place) {
  const double sum = positive_sum(singular);
  std::vector<double> share;
  for (double s : singular)
    if (place == EpsPlace::ToShare)
      share.push_back(s / sum + eps);
    else if (s > 0)
      share.push_back(s / (sum + eps));
  return entropy_rank(share);
}

Rank rank_of(std::span<const double> singular) {
  const double sum = positive_sum(singular), top = *std::max_element(singular.begin(), singular.end());
  std::vector<double> share;
  double square = 0, fourth = 0;
  for (double s : singular) {
    share.push_back(s / sum);
    const double q = s / top * (s / top);
    square += q, fourth += q * q;
  }
  return {entropy_rank(share), square, square * square / fourth};
}

double mean_pairwise_cosine(const Tensor& x_ND) {
  RowTransform unit;
  unit.unit = true;
  const RowReader rows(x_ND, unit, kWhere);
  EOSIN_CHECK(rows.rows() > 1, Data, "[{}] a pair needs two rows (got 1)", kWhere);
  std::vector<double> sum(static_cast<size_t>(rows.dim()));
  for (int64_t begin = 0; begin < rows.rows(); begin += kBlock) {
    const Tensor block = rows.read(begin, std::min(begin + kBlock, rows.rows()));
    const double* x = block.const_data_ptr<double>();
    for (int64_t i = 0; i < block.size(0); ++i)
      for (double& s : sum) s += *x++;
  }
  const double n = static_cast<double>(rows.rows());
  return (std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0) - n) / (n * (n - 1));
}

double collapsed_share(const Tensor& x_ND, double least) {
  const RowReader checked(x_ND, {}, kWhere);
  const RowTransform t = RowTransform::standardized(x_ND);
  // A constant column keeps scale 1 so that it can be divided by; its true deviation is 0.
  const Tensor constant = x_ND.amax(0).eq(x_ND.amin(0)).to(at::kBool).contiguous();
  int64_t below = 0;
  for (size_t d = 0; d < t.scale.size(); ++d) below += t.scale[d] < least || constant.const_data_ptr<bool>()[d];
  return static_cast<double>(below) / static_cast<double>(t.scale.size());
}

}  // namespace eosin::eval
