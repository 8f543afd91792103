#include "mil/pooled_mlp.h"

#include "core/base/error.h"
#include "core/tensor/precision.h"
#include "mil/dropout.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

Tensor pooled(const Tensor& rows_NC, const std::vector<int64_t>& offsets, PooledMlp::Pool pool) {
  std::vector<Tensor> bags;
  for (const Tensor& rows : split_bags(at_least_float(rows_NC), offsets))
    bags.push_back(pool == PooledMlp::Pool::kMean ? rows.mean(0) : std::get<0>(rows.max(0)));
  return at::stack(bags);
}

/// One row for each bag.
std::vector<int64_t> one_row_each(int64_t n_bags) {
  std::vector<int64_t> offsets;
  for (int64_t b = 0; b <= n_bags; ++b) offsets.push_back(b);
  return offsets;
}

}  // namespace

PooledMlp::PooledMlp(const PooledMlpConfig& config, Pool pool, int64_t in_dim, int64_t n_outputs)
    : config_(config),
      pool_(pool),
      in_dim_(in_dim),
      hidden_(add_linear(*this, "head.0", in_dim, config.hidden_dim)),
      out_(add_linear(*this, "head.2", config.hidden_dim, n_outputs)) {
  EOSIN_CHECK(pool == Pool::kMean || config.level == "instance", Config, "[max] level 'embedding' pools features by their mean; need 'instance'");
}

Tensor PooledMlp::mlp(const Tensor& x_ND, const Pass& pass, const std::vector<int64_t>& offsets) {
  return out_(Dropout(pass, offsets)(activate(project(hidden_, x_ND), config_.act), config_.dropout, 0));
}

HeadOutput PooledMlp::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  HeadOutput out;
  out.embedding_BE = pooled(bags.features_ND, bags.offsets, Pool::kMean);
  if (config_.level == "embedding") {
    out.logits_BC = mlp(out.embedding_BE, pass, one_row_each(bags.n_bags()));
    return out;
  }
  out.instance_logits_NC = mlp(bags.features_ND, pass, bags.offsets);
  out.logits_BC = pooled(out.instance_logits_NC, bags.offsets, pool_);
  return out;
}

}  // namespace eosin::mil
