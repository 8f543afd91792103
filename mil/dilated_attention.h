#pragma once
#include "mil/layers.h"

#include <vector>

namespace eosin::mil {

struct DilatedOptions {
  int64_t dim = 768, heads = 16;
  std::vector<int64_t> segment_length = {1024, 5792, 32768, 185363, 1048576}, dilated_ratio = {1, 2, 4, 8, 16};
  bool subln = true;
  double layernorm_eps = 1e-5;
};

/// LongNet's dilated attention (Ding et al. 2023, arXiv:2307.02486) as Prov-GigaPath runs it: for each pair (s, r) attention inside segments of s
/// among every r-th token, groups of heads at different offsets; the pairs are mixed by their log-sum-exps, which carry no gradient. The zero
/// rows that fill a segment count as keys: both are part of the published function. Parameters `{q, k, v, out}_proj.*`, `inner_attn_ln.*`.
///
/// Shapes   x [B, N, E] -> the same.
/// Errors   Config if the two lists differ in length or a value is not positive.
/// Checked  golden mil.longnet_dilated.
class DilatedAttentionImpl : public torch::nn::Module {
 public:
  explicit DilatedAttentionImpl(const DilatedOptions& options);
  Tensor forward(const Tensor& x_BNE);

 private:
  DilatedOptions options_;
  Linear q_proj_{nullptr}, k_proj_{nullptr}, v_proj_{nullptr}, out_proj_{nullptr};
  LayerNorm inner_attn_ln_{nullptr};
};
TORCH_MODULE(DilatedAttention);

}  // namespace eosin::mil
