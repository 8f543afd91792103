#include "mil/dsmil.h"

#include "core/nn/init.h"
#include "core/tensor/precision.h"
#include "mil/attention_pool.h"
#include "mil/dropout.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::mil {
namespace {

/// Rows or columns (the fewer) orthonormal: Q of a normal matrix, with the signs that make it uniform (Saxe et al. 2014).
void init_orthogonal(const Tensor& weight, uint64_t seed, const std::string& name) {
  const int64_t rows = weight.size(0), cols = weight.numel() / rows;
  const Tensor draws = at::empty({std::max(rows, cols), std::min(rows, cols)}, at::kFloat);
  nn::init_normal(draws, 1, seed, name);
  const auto [q, r] = at::linalg_qr(draws.to(at::kDouble));
  const Tensor signed_q = q * r.diagonal().sign();
  weight.copy_((rows < cols ? signed_q.t() : signed_q).reshape(weight.sizes()));
}

}  // namespace

Dsmil::Dsmil(const DsmilConfig& config, int64_t in_dim, int64_t n_outputs)
    : config_(config), in_dim_(in_dim), value_dim_(in_dim), instance_(add_linear(*this, "i_classifier.fc.0", in_dim, n_outputs)) {
  const int64_t hidden = config.query_hidden_dim.value_or(config.query_dim);
  q0_ = config.nonlinear ? add_linear(*this, "b_classifier.q.0", in_dim, hidden) : add_linear(*this, "b_classifier.q", in_dim, config.query_dim);
  if (config.nonlinear) q2_ = add_linear(*this, "b_classifier.q.2", hidden, config.query_dim);
  if (config.passing_v) v_ = add_linear(*this, "b_classifier.v.1", in_dim, value_dim_);
  fcc_ = module_at(*this, "b_classifier").register_module("fcc", torch::nn::Conv1d(torch::nn::Conv1dOptions(n_outputs, n_outputs, value_dim_)));
}

void Dsmil::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const auto& p : named_parameters()) {
    if (p.value().dim() == 1)
      p.value().zero_();
    else
      init_orthogonal(p.value(), seed, p.key());
  }
}

Tensor Dsmil::query(const Tensor& x_ND) { return config_.nonlinear ? q2_(q0_(x_ND).relu()).tanh() : q0_(x_ND); }

HeadOutput Dsmil::forward(const BagBatch& bags, const Pass& pass) {
  check_bags(bags, in_dim_);
  const Tensor x_ND = bags.features_ND.to(instance_->weight.scalar_type());
  HeadOutput out;
  out.instance_logits_NC = instance_(x_ND);
  const Tensor q_NQ = query(x_ND);
  const Tensor v_NV = config_.passing_v ? v_(Dropout(pass, bags.offsets)(x_ND, config_.dropout_v, 0)).relu() : x_ND;
  const auto logits = split_bags(out.instance_logits_NC, bags.offsets), queries = split_bags(q_NQ, bags.offsets);
  std::vector<Tensor> largest, scores;
  for (size_t b = 0; b < logits.size(); ++b) {
    std::vector<Tensor> critical;
    for (const Tensor& of_class : logits[b].detach().unbind(1)) critical.push_back(top_indices(of_class, 1));
    const Tensor critical_C = at::cat(critical);
    largest.push_back(logits[b].gather(0, critical_C.unsqueeze(0)));
    scores.push_back(queries[b].matmul(queries[b].index_select(0, critical_C).t()) / std::sqrt(static_cast<double>(config_.query_dim)));
  }
  const Pooled pooled = attention_pool(at::cat(scores), v_NV, bags.offsets);
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN, out.attention_by_class = true;
  out.embedding_BE = pooled.embedding_BKE.flatten(1);
  out.logits_BC = fcc_(pooled.embedding_BKE).squeeze(2);
  out.logits_weight = 0.5;
  out.branches.push_back({"max", 0.5, at::cat(largest), at::arange(bags.n_bags(), at::kLong)});
  return out;
}

}  // namespace eosin::mil
