#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct S4Config {
  int64_t dim = 512, d_state = 32;
  std::string act = "relu";
  double dropout = 0.25;

  void visit(config::Visitor& v) {
    v("dim", dim, "width of the sequence", config::Range{1, 65536});
    v("d_state", d_state, "real size of a channel's state, even", config::Range{2, 65536});
    v("act", act, "activation of the first layer", config::OneOf{{"relu", "gelu"}});
    v("dropout", dropout, "after the first layer", config::Range{0, 1, config::kOpenHigh});
  }
  void validate(config::Problems& p) const;
};

/// Structured state spaces over the tiles in their file's order (Fillioux et al. 2023, arXiv:2306.15789; S4D: Gu et al. 2022, arXiv:2206.11893).
/// Order-dependent. Parameters `_fc1.0.*`, `s4_block.0.*`, `s4_block.1.{D, kernel.{log_dt, log_A_real, A_imag, C}, output_linear.0.*}`,
/// `classifier.*`.
///
/// Shapes   features [N, in_dim].
/// Differs  the convolution is computed as the recurrence that it is: no padding, memory without the kernel's powers.
/// Checked  golden mil.s4; tests/mil/test_heads.cpp.
class S4Mil : public Head {
 public:
  S4Mil(const S4Config& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;
  /// Shapes   [N, dim]: what the bag's maximum is taken of.
  Tensor tokens(const BagBatch& bags, const Pass& pass);

 private:
  Tensor convolve(const Tensor& u_nE) const;

  S4Config config_;
  int64_t in_dim_;
  Linear fc1_{nullptr}, classifier_{nullptr};
  LayerNorm norm_{nullptr};
  Tensor d_, log_dt_, log_a_real_, a_imag_, c_;
  torch::nn::Conv1d output_{nullptr};
};

}  // namespace eosin::mil
