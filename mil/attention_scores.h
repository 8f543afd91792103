#pragma once
#include "mil/dropout.h"
#include "mil/layers.h"

namespace eosin::mil {

/// What scores an instance: w act(V h), or gated w (act(V h) * sigmoid(U h)), one row of w a branch.
struct ScoreShape {
  int64_t in_dim = 512, hidden_dim = 128, branches = 1;
  bool gated = false, bias = true;
  std::string act = "tanh";
};
/// Where the published state dicts keep V, U and w.
struct ScoreNames {
  std::string v, u, w;
};

/// Attention of Ilse et al. 2018 (arXiv:1802.04712, eq. 8 and 9); linear layers registered on their owner under the given names.
///
/// Shapes   h_NE -> scores [N, branches].
/// Differs  dropout after both activations, as in CLAM's code; the paper has none. The paper has no biases; its code has.
/// Checked  golden mil.abmil and all heads that use it.
class AttentionScores {
 public:
  AttentionScores() = default;
  AttentionScores(torch::nn::Module& owner, const ScoreShape& shape, const ScoreNames& names);
  Tensor operator()(const Tensor& h_NE, double dropout, const Dropout& drop, uint32_t first_layer) const;
  /// Without dropout.
  Tensor operator()(const Tensor& h_NE) const;

 private:
  ScoreShape shape_;
  mutable Linear v_{nullptr}, u_{nullptr}, w_{nullptr};
};

}  // namespace eosin::mil
