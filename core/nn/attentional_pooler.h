#pragma once
// Pooling by attention: learned queries look at all tokens (CoCa, Yu et al. 2022, arXiv:2205.01917; open_clip's AttentionalPooler).
#include "core/base/config.h"
#include "core/tensor/tensor.h"

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

namespace eosin::nn {

/// No pooler where dim is 0.
struct AttentionPoolConfig {
  int64_t dim = 0, num_heads = 8, queries = 1;

  void visit(config::Visitor& v) {
    v("dim", dim, "width of the pooled feature; 0: no pooler", config::Range{0, 65536});
    v("num_heads", num_heads, "attention heads of the pooler", config::Range{1, 1024});
    v("queries", queries, "learned queries; the first one's answer is the feature", config::Range{1, 65536});
  }
};

/// Multi-head attention of ln_q(query) on ln_k(tokens), without residual. Parameters as in open_clip: query, ln_q, ln_k, and torch's
/// MultiheadAttention with keys of another width: attn.{q,k,v}_proj_weight (attn.in_proj_weight where the widths agree), attn.in_proj_bias,
/// attn.out_proj. Norms have eps 1e-5.
///
/// Shapes   tokens_BND -> [B, queries, dim].
/// Checked  tests/nn/test_vit.cpp; tests/python/backbone_parity.py: torch's MultiheadAttention.
class AttentionalPoolerImpl : public torch::nn::Module {
 public:
  AttentionalPoolerImpl(const AttentionPoolConfig& config, int64_t token_dim);
  Tensor forward(const Tensor& tokens_BND);

 private:
  int64_t num_heads_;
  Tensor query, in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias;
  torch::nn::LayerNorm ln_q{nullptr}, ln_k{nullptr};
  torch::nn::Linear out_proj{nullptr};
};
TORCH_MODULE(AttentionalPooler);

}  // namespace eosin::nn
