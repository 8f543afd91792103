#pragma once
#include "mil/layers.h"

namespace eosin::mil {

struct NystromOptions {
  int64_t dim = 512, heads = 8, dim_head = 64, num_landmarks = 256, pinv_iterations = 6, residual_conv_kernel = 33;
  bool residual = true;
  double eps = 1e-8;
  std::string pinv_scale = "bag";  // whose largest sums start the pseudo-inverse: "global" (the tensor's), "bag" (each sequence's), "head"
  std::string keep = "last";       // "first": the rows that nystrom-attention 0.0.9 returns, shifted by the padding
  bool exact = false;              // softmax attention instead, with the same projections and the same convolution
};

/// Self-attention through landmarks (Xiong et al. 2021, arXiv:2102.03902): softmax(q k~) pinv(softmax(q~ k~)) softmax(q~ k) v, plus a depth-wise
/// convolution of v along the sequence. The sequence is padded in front with zero rows to a multiple of the landmarks.
/// Parameters `to_qkv.weight`, `to_out.0.*`, `res_conv.weight`.
///
/// Shapes   x_BnD, mask_Bn bool (true: token) or undefined -> [B, n, D].
/// Differs  without a mask the padding counts as tokens of the first landmark, as published; a mask corrects it.
/// Checked  golden mil.nystrom_attention; tests/mil/test_transmil.cpp: against exact attention.
class NystromAttentionImpl : public torch::nn::Module {
 public:
  explicit NystromAttentionImpl(const NystromOptions& options);
  Tensor forward(const Tensor& x_BnD, const Tensor& mask_Bn = {});
  /// What token `row` gives to every token, head by head (its own row of the attention matrix; no convolution). Without gradient.
  ///
  /// Shapes   x_1nD -> [H, n].
  Tensor attention_row(const Tensor& x_1nD, int64_t row);

 private:
  struct Heads {
    Tensor q, k, v;  // [B, H, n', d]; q scaled
    Tensor mask;     // [B, n'] or undefined
    int64_t padding;
  };
  struct Factors {
    Tensor of_queries, middle, of_keys;  // [B, H, n', m], [B, H, m, m] (pseudo-inverse), [B, H, m, n']
  };
  Heads project_heads(const Tensor& x_BnD, const Tensor& mask_Bn);
  Factors factors(const Heads& heads) const;
  Tensor pseudo_inverse(const Tensor& a) const;

  NystromOptions options_;
  Linear to_qkv{nullptr}, to_out{nullptr};
  torch::nn::Conv2d res_conv{nullptr};
};
TORCH_MODULE(NystromAttention);

}  // namespace eosin::mil
