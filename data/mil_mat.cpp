#include "data/mil_mat.h"

#include "core/base/error.h"
#include "data/mat5.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <string_view>

namespace eosin::data {
namespace {

const Tensor& require(const TensorMap& tensors, const std::string& name, const std::string& where) {
  const auto it = tensors.find(name);
  EOSIN_CHECK(it != tensors.end(), Data, "[{}] has no '{}'; this is no MIL set of PRTools", where, name);
  return it->second;
}

/// One finite number an instance.
std::vector<double> column(const Tensor& t, int64_t n, const std::string& name, const std::string& where) {
  EOSIN_CHECK(t.scalar_type() == at::kDouble && t.dim() == 2 && t.numel() == n && (t.size(0) == 1 || t.size(1) == 1), Data,
              "[{}] '{}' of shape [{}] (need {} numbers)", where, name, fmt::join(t.sizes().vec(), ", "), n);
  const std::vector<double> values(t.const_data_ptr<double>(), t.const_data_ptr<double>() + n);
  for (const double v : values) EOSIN_CHECK(std::isfinite(v), Data, "[{}] '{}' holds {}", where, name, v);
  return values;
}

/// Rows of text without their padding.
std::vector<std::string> rows_of(const Tensor& text, int64_t n, const std::string& name, const std::string& where) {
  std::string_view left(reinterpret_cast<const char*>(text.const_data_ptr<uint8_t>()), static_cast<size_t>(text.numel()));
  std::vector<std::string> rows;
  while (true) {
    const std::string_view row = left.substr(0, left.find('\n'));
    rows.emplace_back(row.substr(0, row.find_last_not_of(' ') + 1));
    if (row.size() == left.size()) break;
    left.remove_prefix(row.size() + 1);
  }
  EOSIN_CHECK(static_cast<int64_t>(rows.size()) == n, Data, "[{}] '{}' has {} rows (need {})", where, name, rows.size(), n);
  return rows;
}

template <class Id>
std::vector<int64_t> number_by_appearance(const std::vector<Id>& ids) {
  std::map<Id, int64_t> known;
  std::vector<int64_t> numbers;
  for (const Id& id : ids) numbers.push_back(known.emplace(id, static_cast<int64_t>(known.size())).first->second);
  return numbers;
}

/// Blocks of 128 in eight lanes, halves added: the order in which numpy adds MATLAB's columns. Constant columns have deviations that are
/// nothing but the rounding of their mean, and are divided by it.
double pairwise_sum(std::span<const double> x) {
  constexpr size_t kLanes = 8, kBlock = 128;
  if (x.size() > kBlock) {
    const size_t half = x.size() / 2 / kLanes * kLanes;
    return pairwise_sum(x.first(half)) + pairwise_sum(x.subspan(half));
  }
  if (x.size() < kLanes) return std::accumulate(x.begin(), x.end(), -0.0);
  std::array<double, kLanes> r;
  std::copy_n(x.begin(), kLanes, r.begin());
  size_t i = kLanes;
  for (; i + kLanes <= x.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) r[lane] += x[i + lane];
  const double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  return std::accumulate(x.begin() + static_cast<std::ptrdiff_t>(i), x.end(), sum);
}

}  // namespace

BagSet read_mil_mat(const std::string& path) {
  const TensorMap tensors = read_mat5(path);
  BagSet set;
  set.instances_ND = require(tensors, "x/data", path);
  EOSIN_CHECK(set.instances_ND.scalar_type() == at::kDouble && set.instances_ND.dim() == 2 && at::isfinite(set.instances_ND).all().item<bool>(), Data,
              "[{}] 'x/data' of shape [{}] (need a matrix of finite numbers)", path, fmt::join(set.instances_ND.sizes().vec(), ", "));
  const int64_t n = set.instances_ND.size(0);
  const Tensor& bags = require(tensors, "x/ident/milbag", path);
  set.bag_index = bags.scalar_type() == at::kByte ? number_by_appearance(rows_of(bags, n, "x/ident/milbag", path))
                                                  : number_by_appearance(column(bags, n, "x/ident/milbag", path));
  const std::vector<double> labels = column(require(tensors, "x/nlab", path), n, "x/nlab", path);
  for (size_t i = 0; i < labels.size(); ++i) {
    EOSIN_CHECK(labels[i] >= 0 && labels[i] == std::floor(labels[i]), Data, "[{}] 'x/nlab' holds {} (need row numbers of lablist)", path, labels[i]);
    const auto bag = static_cast<size_t>(set.bag_index[i]);
    if (bag == set.bag_label.size()) set.bag_label.push_back(0);
    if (labels[i] == 2) set.bag_label[bag] = 1;
  }
  return set;
}

Tensor rows_of_bag(const BagSet& set, int64_t bag) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < set.bag_index.size(); ++i)
    if (set.bag_index[i] == bag) rows.push_back(static_cast<int64_t>(i));
  return at::tensor(rows, at::kLong);
}

Tensor standardised(const Tensor& x_ND) {
  Tensor columns_DN = x_ND.to(at::kDouble).t().contiguous().clone();
  const int64_t n = columns_DN.size(1);
  std::vector<double> squares(static_cast<size_t>(n));
  for (int64_t d = 0; d < columns_DN.size(0); ++d) {
    const std::span<double> column(columns_DN.mutable_data_ptr<double>() + d * n, static_cast<size_t>(n));
    const double mean = pairwise_sum(column) / static_cast<double>(n);
    for (double& v : column) v -= mean;
    std::transform(column.begin(), column.end(), squares.begin(), [](double v) { return v * v; });
    const double deviation = std::sqrt(pairwise_sum(squares) / static_cast<double>(n));
    for (double& v : column) v /= deviation == 0 ? 1 : deviation;
  }
  return columns_DN.t().contiguous();
}

}  // namespace eosin::data
