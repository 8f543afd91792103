#include "mil/attention_scores.h"

#include <ATen/ATen.h>

namespace eosin::mil {

AttentionScores::AttentionScores(torch::nn::Module& owner, const ScoreShape& shape, const ScoreNames& names) : shape_(shape) {
  v_ = add_linear(owner, names.v, shape.in_dim, shape.hidden_dim, shape.bias);
  if (shape.gated) u_ = add_linear(owner, names.u, shape.in_dim, shape.hidden_dim, shape.bias);
  w_ = add_linear(owner, names.w, shape.hidden_dim, shape.branches, shape.bias);
}

Tensor AttentionScores::operator()(const Tensor& h_NE, double dropout, const Dropout& drop, uint32_t first_layer) const {
  Tensor a = drop(activate(project(v_, h_NE), shape_.act), dropout, first_layer);
  if (shape_.gated) a = a * drop(project(u_, h_NE).sigmoid(), dropout, first_layer + 1);
  return w_(a);
}

Tensor AttentionScores::operator()(const Tensor& h_NE) const { return (*this)(h_NE, 0, Dropout(Pass{}, {0, h_NE.size(0)}), 0); }

}  // namespace eosin::mil
