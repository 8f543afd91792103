#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct MambaConfig {
  int64_t dim = 512, attention_dim = 128, layers = 2, d_state = 16, d_conv = 4, expand = 2, rate = 10;
  std::string type = "SRMamba";
  double dropout = 0.25;

  void visit(config::Visitor& v) {
    v("dim", dim, "width of the sequence", config::Range{1, 65536});
    v("attention_dim", attention_dim, "width inside the attention that pools", config::Range{1, 65536});
    v("layers", layers, "state-space layers", config::Range{1, 64});
    v("type", type, "Mamba: forward; BiMamba: and backward; SRMamba: and over every rate-th tile", config::OneOf{{"Mamba", "BiMamba", "SRMamba"}});
    v("rate", rate, "stride of SRMamba's second order", config::Range{0, 1e6});
    v("d_state", d_state, "state of a channel", config::Range{1, 4096});
    v("d_conv", d_conv, "taps of the causal convolution", config::Range{1, 64});
    v("expand", expand, "inner width over dim", config::Range{1, 64});
    v("dropout", dropout, "after the first layer", config::Range{0, 1, config::kOpenHigh});
  }
  void validate(config::Problems& p) const;
};

/// MambaMIL (Yang et al. 2024, arXiv:2403.06800): selective state spaces over the tiles in their file's order and in a second order, then attention
/// pooling. Order-dependent. Parameters as MambaMIL's: `_fc1.0.*`, `layers.{i}.{0, 1}.*`, `norm.*`, `attention.{0, 2}.*`, `classifier.*`.
///
/// Shapes   features [N, in_dim]; attention [1, N].
/// Checked  golden mil.mamba; tests/mil/test_heads.cpp.
class MambaMil : public Head {
 public:
  MambaMil(const MambaConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

 private:
  /// Weights of one direction.
  struct Direction {
    torch::nn::Conv1d conv{nullptr};
    Linear x_proj{nullptr}, dt_proj{nullptr};
    Tensor a_log, d;
  };
  struct Layer {
    LayerNorm norm{nullptr};
    Linear in_proj{nullptr}, out_proj{nullptr};
    std::vector<Direction> directions;
  };
  Direction make_direction(const std::string& path, bool second);
  Tensor scan(Direction& direction, const Tensor& xz_CL) const;
  Tensor mix(Layer& layer, const Tensor& x_nE) const;

  MambaConfig config_;
  int64_t in_dim_, inner_, dt_rank_;
  Linear fc1_{nullptr}, classifier_{nullptr};
  std::vector<Layer> layers_;
  LayerNorm norm_{nullptr};
  AttentionScores attention_;
};

}  // namespace eosin::mil
