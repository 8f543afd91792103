#include "mil/attention_pool.h"

#include "core/base/error.h"
#include "core/nn/recompute.h"
#include "core/tensor/precision.h"
#include "mil/bags.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace eosin::mil {

Tensor bag_softmax(const Tensor& scores_NK, const std::vector<int64_t>& offsets) {
  std::vector<Tensor> parts;
  for (const Tensor& s : split_bags(scores_NK, offsets)) parts.push_back(at_least_float(s).softmax(0));
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

Tensor weighted_sums(const Tensor& weights_NK, const Tensor& values_NE, const std::vector<int64_t>& offsets) {
  const auto weights = split_bags(weights_NK, offsets), values = split_bags(at_least_float(values_NE), offsets);
  std::vector<Tensor> sums;
  for (size_t b = 0; b < weights.size(); ++b) sums.push_back(weights[b].t().matmul(values[b]));
  return at::stack(sums);
}

Pooled attention_pool(const Tensor& scores_NK, const Tensor& values_NE, const std::vector<int64_t>& offsets) {
  const FullPrecision full_precision;
  const Tensor weights_NK = bag_softmax(scores_NK, offsets);
  return {weighted_sums(weights_NK, values_NE, offsets), weights_NK.t(), scores_NK.t()};
}

Pooled attention_pool_chunked(const Tensor& x_ND, const ScoreRows& score, const std::vector<Tensor>& parameters, int64_t chunk_rows) {
  EOSIN_ASSERT(chunk_rows > 0);
  const FullPrecision full_precision;
  std::vector<Tensor> lse, means, scores;
  for (int64_t first = 0; first < x_ND.size(0); first += chunk_rows) {
    const auto part = [score, first](const std::vector<Tensor>& in) -> std::vector<Tensor> {
      const auto [scores_nK, values_nE] = score(in[0], first);
      const Tensor s = at_least_float(scores_nK);
      return {s.logsumexp(0), s.softmax(0).t().matmul(at_least_float(values_nE)), s.detach()};
    };
    const auto out = nn::recomputed(std::vector<Tensor>{x_ND.narrow(0, first, std::min(chunk_rows, x_ND.size(0) - first))}, parameters, part);
    lse.push_back(out[0]), means.push_back(out[1]), scores.push_back(out[2].detach());
  }
  const Tensor share_PK = at::stack(lse).softmax(0);  // of each chunk
  const Tensor embedding_KE = (share_PK.unsqueeze(2) * at::stack(means)).sum(0);
  const Tensor scores_NK = at::cat(scores);
  return {embedding_KE.unsqueeze(0), scores_NK.softmax(0).t(), scores_NK.t()};
}

}  // namespace eosin::mil
