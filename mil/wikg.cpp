#include "mil/wikg.h"

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/nn/recompute.h"
#include "mil/attention_pool.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace eosin::mil {
namespace {

constexpr int64_t kChunkRows = 8192;           // whose neighbours are held at once
constexpr int64_t kMaxSimilarities = 1 << 24;  // of one block of rows with all others

Tensor leaky(const Tensor& x) { return at::leaky_relu(x, 0.01); }

/// For every row the k tails of largest h_i t_j: [n, k].
Tensor nearest(const Tensor& h_nE, const Tensor& t_NE, int64_t k) {
  const at::NoGradGuard no_grad;
  const int64_t block = std::max<int64_t>(1, kMaxSimilarities / t_NE.size(0));
  std::vector<Tensor> parts;
  for (const Tensor& rows : h_nE.split(block)) parts.push_back(std::get<1>(rows.matmul(t_NE.t()).topk(k, 1)));
  return at::cat(parts);
}

struct Variant {
  int64_t k;
  bool mil_lab, dot;
};

/// Sums of the neighbours' tails, weighted by their gates.
Tensor gathered(const Tensor& h_nE, const Tensor& t_NE, const Variant& v) {
  const Tensor index_nk = nearest(h_nE, t_NE, v.k);
  const Tensor tails = t_NE.index_select(0, index_nk.flatten()).view({h_nE.size(0), v.k, -1}), heads = h_nE.unsqueeze(1);
  const Tensor p = ((heads * tails).sum(2, true) / std::sqrt(static_cast<double>(h_nE.size(1)))).softmax(1);
  const Tensor edge = v.mil_lab ? p * tails : p * tails + (1 - p) * heads;
  const Tensor gate = (heads + edge).tanh();
  const Tensor weight_nk = v.dot ? (tails * gate).sum(2) : tails.sum(2) * gate.sum(2);
  return (weight_nk.softmax(1).unsqueeze(2) * tails).sum(1);
}

}  // namespace

Wikg::Wikg(const WikgConfig& config, int64_t in_dim, int64_t n_outputs) : config_(config), in_dim_(in_dim) {
  const int64_t dim = config.dim;
  const bool own = config.variant == "wikg";
  fc1_ = add_linear(*this, own ? "_fc1.0" : "patch_embed.0", in_dim, dim);
  head_ = add_linear(*this, "W_head", dim, dim);
  tail_ = add_linear(*this, "W_tail", dim, dim);
  if (config.agg_type == "bi-interaction")
    linear1_ = add_linear(*this, "linear1", dim, dim), linear2_ = add_linear(*this, "linear2", dim, dim);
  else
    linear1_ = add_linear(*this, "linear", config.agg_type == "sage" ? 2 * dim : dim, dim);
  if (config.pool == "attn") {
    const ScoreShape shape{dim, config.readout_dim.value_or(dim / 2), 1, false, true, "leaky_relu"};
    readout_ = AttentionScores(*this, shape, {"readout.gate_nn.0", "", "readout.gate_nn.2"});
  }
  norm_ = add_norm(*this, "norm", dim);
  classifier_ = add_linear(*this, own ? "fc" : "classifier", dim, n_outputs);
}

int64_t Wikg::neighbours(int64_t n) {
  if (n >= config_.topk) return config_.topk;
  EOSIN_CHECK(config_.compat != "wikg", Data, "[wikg] a bag of {} tiles has no {} neighbours (compat=wikg); lower topk or drop compat", n,
              config_.topk);
  if (!warned_) log::warn("[wikg] a bag of {} tiles has fewer than topk={} neighbours (said once)", n, config_.topk);
  warned_ = true;
  return n;
}

Tensor Wikg::messages(const Tensor& h_NE, const Tensor& t_NE) {
  const Variant variant{neighbours(h_NE.size(0)), config_.variant == "mil_lab", config_.gate_product == "dot"};
  if (h_NE.size(0) <= kChunkRows) return gathered(h_NE, t_NE, variant);
  std::vector<Tensor> parts;
  for (const Tensor& rows : h_NE.split(kChunkRows)) {
    const auto part = [variant](const std::vector<Tensor>& in) { return std::vector<Tensor>{gathered(in[0], in[1], variant)}; };
    parts.push_back(nn::recomputed({rows, t_NE}, {}, part)[0]);
  }
  return at::cat(parts);
}

Tensor Wikg::aggregate(const Tensor& h_NE, const Tensor& m_NE) {
  if (config_.agg_type == "sage") return leaky(linear1_(at::cat({h_NE, m_NE}, 1)));
  const Tensor sum = leaky(linear1_(h_NE + m_NE));
  return config_.agg_type == "gcn" ? sum : sum + leaky(linear2_(h_NE * m_NE));
}

HeadOutput Wikg::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Tensor e_NE = project(fc1_, bags.features_ND);
  std::vector<Tensor> nodes;
  for (const Tensor& e : split_bags(config_.variant == "wikg" ? leaky(e_NE) : e_NE.relu(), bags.offsets)) {
    const Tensor x = 0.5 * (e + e.mean(0, true));
    const Tensor h = head_(x);
    nodes.push_back(aggregate(h, messages(h, tail_(x))));
  }
  const Tensor x_NE = Dropout(pass, bags.offsets)(at::cat(nodes), config_.dropout, 0);
  HeadOutput out;
  if (config_.pool == "attn") {
    const Pooled pooled = attention_pool(readout_(x_NE), x_NE, bags.offsets);
    out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
    out.embedding_BE = pooled.embedding_BKE.select(1, 0);
  } else {
    std::vector<Tensor> vectors;
    for (const Tensor& x : split_bags(x_NE, bags.offsets)) vectors.push_back(config_.pool == "mean" ? x.mean(0) : std::get<0>(x.max(0)));
    out.embedding_BE = at::stack(vectors);
  }
  out.embedding_BE = norm_(out.embedding_BE);
  out.logits_BC = classifier_(out.embedding_BE);
  return out;
}

}  // namespace eosin::mil
