#pragma once
#include "core/base/config.h"
#include "mil/attention_pool.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct AbmilConfig {
  std::vector<int64_t> embed_dims = {512};
  int64_t attention_dim = 128, branches = 1, chunk_rows = 32768;
  bool gated = false, attention_bias = true;
  double dropout = 0.25;
  std::string attention_act = "tanh", init = "xavier";

  void visit(config::Visitor& v) {
    v("embed_dims", embed_dims, "widths of the layers before attention, each with ReLU; none: the features as they are", config::Range{1, 65536},
      config::Length{0, 8});
    v("attention_dim", attention_dim, "width inside attention", config::Range{1, 65536});
    v("branches", branches, "rows of attention; the classifier sees the vectors of all", config::Range{1, 64});
    v("gated", gated, "gate attention by a sigmoid (Ilse et al., eq. 9)");
    v("attention_bias", attention_bias, "biases inside attention: the authors' code has them, the paper and MHIM have none");
    v("attention_act", attention_act, "activation inside attention", config::OneOf{{"tanh", "relu", "gelu"}});
    v("dropout", dropout, "after each layer before attention, and inside it", config::Range{0, 1, config::kOpenHigh});
    v("init", init, "initial weights", config::OneOf{{"xavier", "fan_in"}});
    v("chunk_rows", chunk_rows, "larger bags are read in chunks of so many tiles, twice, in constant memory", config::Range{1, 1e9});
  }
};

/// Attention pooling over a bag (Ilse et al. 2018, arXiv:1802.04712, eq. 7 to 9).
/// Parameters `patch_embed.{0, 3, ...}.*`, `global_attn.attention_{a.0, b.0, c}.*` gated or `global_attn.module.{0, 3}.*`, `classifier.*`.
///
/// Shapes   features [N, in_dim]; attention [branches, N], embedding [B, branches * E].
/// Differs  several branches are laid side by side for the classifier; the authors' code fails with more than one. Dropout as in CLAM.
/// Checked  golden mil.abmil, mil.abmil_padded, mil.abmil_bernoulli, mil.varlen_batch; tests/mil/test_heads.cpp.
class Abmil : public Head {
 public:
  Abmil(const AbmilConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, config_.init, seed); }

 private:
  Tensor embed(const Tensor& x_ND, const Dropout& drop);
  Tensor score(const Tensor& h_NE, const Dropout& drop) const;
  Pooled pool(const BagBatch& bags, const Pass& pass);

  AbmilConfig config_;
  int64_t in_dim_;
  std::vector<Linear> layers_;
  AttentionScores attention_;
  Linear classifier_{nullptr};
};

}  // namespace eosin::mil
