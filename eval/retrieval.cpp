#include "eval/retrieval.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

namespace eosin::eval {
namespace {

constexpr const char* kWhere = "eval.retrieval_at_k";

/// What the first k labels say of a query of class `own`.
struct Verdict {
  bool hit = false, among_most = false, most = false;
  double average_precision = 0;
};

Verdict judge(std::span<const int64_t> labels, int64_t own, MapNorm norm) {
  Verdict v;
  std::map<int64_t, int64_t> votes;
  double hits = 0;
  for (size_t j = 0; j < labels.size(); ++j) {
    ++votes[labels[j]];
    if (labels[j] == own) v.average_precision += ++hits / static_cast<double>(j + 1);
  }
  int64_t most = 0;
  for (const auto& [label, n] : votes) most = std::max(most, n);
  const auto first = std::find_if(labels.begin(), labels.end(), [&](int64_t label) { return votes[label] == most; });
  v.hit = hits > 0, v.among_most = votes[own] == most, v.most = *first == own;
  v.average_precision /= norm == MapNorm::K ? static_cast<double>(labels.size()) : std::max(hits, 1.0);
  return v;
}

}  // namespace

RowTransform centered_unit(const Tensor& keys_ND) {
  RowTransform t = RowTransform::centered(keys_ND);
  t.unit = true;
  return t;
}

std::vector<double> over_queries(const Matrix& values) {
  std::vector<double> mean(static_cast<size_t>(values.cols));
  for (int64_t q = 0; q < values.rows; ++q)
    for (int64_t c = 0; c < values.cols; ++c) mean[c] += values(q, c);
  for (double& m : mean) m /= static_cast<double>(values.rows);
  return mean;
}

Retrieval retrieval_at_k(const Tensor& keys_ND, std::span<const int64_t> target, const Tensor& queries_MD, std::span<const int64_t> target_test,
                         const RetrievalOptions& o, const OwnGroup& own) {
  EOSIN_CHECK(!o.k.empty(), Config, "[{}] no k was given", kWhere);
  for (int64_t k : o.k) EOSIN_CHECK(k > 0, Config, "[{}] k must be positive (got {})", kWhere, k);
  Retrieval r;
  r.depth = *std::max_element(o.k.begin(), o.k.end());
  const Neighbors found = nearest_neighbors(keys_ND, queries_MD, r.depth, o.similarity, o.transform, own);
  check_length(kWhere, "labels of keys", target.size(), static_cast<size_t>(keys_ND.size(0)));
  check_length(kWhere, "labels of queries", target_test.size(), static_cast<size_t>(found.queries));
  r.queries = found.queries;
  for (int64_t key : found.index) r.label.push_back(target[key]);
  const auto columns = static_cast<int64_t>(o.k.size());
  r.acc = r.mv_acc = r.mv_nearest = r.precision = Matrix(r.queries, columns);
  for (int64_t q = 0; q < r.queries; ++q)
    for (int64_t c = 0; c < columns; ++c) {
      const Verdict v = judge(std::span(r.label).subspan(static_cast<size_t>(q * r.depth), static_cast<size_t>(o.k[c])), target_test[q], o.map_norm);
      r.acc(q, c) = v.hit, r.mv_acc(q, c) = v.among_most, r.mv_nearest(q, c) = v.most, r.precision(q, c) = v.average_precision;
    }
  return r;
}

}  // namespace eosin::eval
