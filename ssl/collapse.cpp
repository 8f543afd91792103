#include "ssl/collapse.h"

#include "ssl/unit_rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::ssl {
namespace {

Tensor entropy(const Tensor& p_NK) { return -at::xlogy(p_NK, p_NK).sum(-1); }

}  // namespace

std::vector<std::pair<std::string, Tensor>> collapse_measures(const Tensor& targets_NK) {
  const int64_t rows = targets_NK.size(0), prototypes = targets_NK.size(1);
  const Tensor hits = at::zeros({prototypes}, targets_NK.options()).index_fill_(0, targets_NK.argmax(-1), 1);
  return {{"teacher_entropy", entropy(targets_NK).mean()},
          {"kl_to_uniform", std::log(static_cast<double>(prototypes)) - entropy(targets_NK.mean(0))},
          {"prototype_usage", hits.sum() / static_cast<double>(std::min(rows, prototypes))}};
}

std::pair<std::string, Tensor> embedding_spread(const Tensor& embeddings_ND) {
  const Tensor unit_ND = unit_rows(embeddings_ND.detach());
  return {"embedding_spread", unit_ND.std(0, false).mean() * std::sqrt(static_cast<double>(unit_ND.size(1)))};
}

}  // namespace eosin::ssl
