#include "ssl/collapse.h"

#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::ssl {
namespace {

Tensor entropy_terms(const Tensor& p) { return -at::xlogy(p, p); }

/// `chunk(begin, end)` gives those columns of the probabilities.
template <class Chunk>
std::vector<std::pair<std::string, Tensor>> measures(int64_t rows, int64_t prototypes, const at::TensorOptions& options, const Chunk& chunk) {
  const at::NoGradGuard no_grad;
  Tensor row_entropy = at::zeros({rows}, options), mean_entropy = at::zeros({}, options);
  Tensor best = at::full({rows}, -1, options), choice = at::zeros({rows}, options.dtype(at::kLong));
  for (int64_t begin = 0, end; begin < prototypes; begin = end) {
    end = std::min(begin + kPrototypeChunk, prototypes);
    const Tensor p = chunk(begin, end);
    row_entropy += entropy_terms(p).sum(-1);
    mean_entropy += entropy_terms(p.mean(0)).sum();
    const auto [highest, place] = p.max(-1);
    choice = at::where(highest > best, place + begin, choice);
    best = at::maximum(best, highest);
  }
  const Tensor hits = at::zeros({prototypes}, options).index_fill_(0, choice, 1);
  return {{"teacher_entropy", row_entropy.mean()},
          {"kl_to_uniform", std::log(static_cast<double>(prototypes)) - mean_entropy},
          {"prototype_usage", hits.sum() / static_cast<double>(std::min(rows, prototypes))}};
}

}  // namespace

std::vector<std::pair<std::string, Tensor>> collapse_measures(const SoftTargets& targets) {
  const auto chunk = [&](int64_t begin, int64_t end) { return targets.chunk(begin, end); };
  return measures(targets.rows(), targets.prototypes(), targets.options(), chunk);
}

std::vector<std::pair<std::string, Tensor>> collapse_measures(const Tensor& targets_NK) {
  const auto chunk = [&](int64_t begin, int64_t end) { return targets_NK.slice(1, begin, end); };
  return measures(targets_NK.size(0), targets_NK.size(1), targets_NK.options(), chunk);
}

std::pair<std::string, Tensor> embedding_spread(const Tensor& embeddings_ND) {
  const Tensor unit_ND = unit_rows(embeddings_ND.detach());
  return {"embedding_spread", unit_ND.std(0, false).mean() * std::sqrt(static_cast<double>(unit_ND.size(1)))};
}

}  // namespace eosin::ssl
