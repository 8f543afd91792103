#include "mil/abmil.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::mil {
namespace {

ScoreNames names_of(bool gated) {
  if (gated) return {"global_attn.attention_a.0", "global_attn.attention_b.0", "global_attn.attention_c"};
  return {"global_attn.module.0", "", "global_attn.module.3"};
}

/// The bags' vectors below each other, their attention side by side.
Pooled joined(const std::vector<Pooled>& bags) {
  std::vector<Tensor> embedding, attention, raw;
  for (const Pooled& p : bags) embedding.push_back(p.embedding_BKE), attention.push_back(p.attention_KN), raw.push_back(p.attention_raw_KN);
  return {at::cat(embedding), at::cat(attention, 1), at::cat(raw, 1)};
}

}  // namespace

Abmil::Abmil(const AbmilConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  int64_t width = in_dim;
  for (const int64_t dim : config.embed_dims) {
    layers_.push_back(add_linear(*this, "patch_embed." + std::to_string(3 * layers_.size()), width, dim));
    width = dim;
  }
  const ScoreShape shape{width, config.attention_dim, config.branches, config.gated, config.attention_bias, config.attention_act};
  attention_ = AttentionScores(*this, shape, names_of(config.gated));
  classifier_ = add_linear(*this, "classifier", width * config.branches, n_outputs);
}

Tensor Abmil::embed(const Tensor& x_ND, const Dropout& drop) {
  Tensor h = x_ND;
  for (uint32_t i = 0; i < layers_.size(); ++i) h = drop(project(layers_[i], h).relu(), config_.dropout, i);
  return h;
}

Tensor Abmil::score(const Tensor& h_NE, const Dropout& drop) const {
  return attention_(h_NE, config_.dropout, drop, static_cast<uint32_t>(layers_.size()));
}

Pooled Abmil::pool(const BagBatch& bags, const Pass& pass) {
  int64_t largest = 0;
  for (int64_t b = 0; b < bags.n_bags(); ++b) largest = std::max(largest, bags.size(b));
  if (largest <= config_.chunk_rows) {
    const Dropout drop(pass, bags.offsets);
    const Tensor h_NE = embed(bags.features_ND, drop);
    return attention_pool(score(h_NE, drop), h_NE, bags.offsets);
  }
  std::vector<Pooled> parts;
  const auto rows = split_bags(bags.features_ND, bags.offsets);
  for (int64_t b = 0; b < bags.n_bags(); ++b) {
    const auto score_rows = [this, one = pass_of_bag(pass, b)](const Tensor& x_nD, int64_t first_row) {
      const Dropout drop(one, first_row, x_nD.size(0));
      const Tensor h_nE = embed(x_nD, drop);
      return std::pair{score(h_nE, drop), h_nE};
    };
    parts.push_back(attention_pool_chunked(rows[static_cast<size_t>(b)], score_rows, parameters(), config_.chunk_rows));
  }
  return joined(parts);
}

HeadOutput Abmil::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Pooled pooled = pool(bags, pass);
  HeadOutput out;
  out.embedding_BE = pooled.embedding_BKE.flatten(1);
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
