#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct WikgConfig {
  int64_t dim = 512, topk = 6;
  std::optional<int64_t> readout_dim;
  std::string variant = "wikg", gate_product = "sums", agg_type = "bi-interaction", pool = "attn", compat;
  double dropout = 0.3;

  void visit(config::Visitor& v) {
    v("dim", dim, "width of the graph's nodes", config::Range{2, 65536});
    v("topk", topk, "neighbours of a tile, itself among them", config::Range{1, 65536});
    v("readout_dim", readout_dim, "hidden width of the attention that pools; by default dim / 2", config::Range{1, 65536});
    v("variant", variant, "wikg: the authors' code; mil_lab: MIL-Lab's", config::OneOf{{"wikg", "mil_lab"}});
    v("gate_product", gate_product, "weight of a neighbour: product of sums (the authors' code) or dot product", config::OneOf{{"sums", "dot"}});
    v("agg_type", agg_type, "how a node and its neighbours join", config::OneOf{{"gcn", "sage", "bi-interaction"}});
    v("pool", pool, "how nodes become the bag's vector", config::OneOf{{"mean", "max", "attn"}});
    v("dropout", dropout, "after the aggregation", config::Range{0, 1, config::kOpenHigh});
    v("compat", compat, "wikg: fail in bags of fewer than topk tiles", config::OneOf{{"", "wikg"}});
  }
};

/// Knowledge-aware dynamic graph (Li et al. 2024, arXiv:2403.07719): each tile is head and tail of directed edges to its most similar tiles.
/// Parameters as WiKG's: `_fc1.0.*` or `patch_embed.0.*`, `W_head.*`, `W_tail.*`, `linear{, 1, 2}.*`, `readout.gate_nn.{0, 2}.*`, `norm.*`,
/// `fc.*` or `classifier.*`.
///
/// Shapes   features [N, in_dim]; attention [1, N] with pool attn.
/// Errors   Data with compat "wikg" in a bag of fewer than topk tiles; otherwise all tiles are neighbours there, warned of once.
/// Checked  golden mil.wikg; tests/mil/test_heads.cpp.
class Wikg : public Head {
 public:
  Wikg(const WikgConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "fan_in", seed); }

 private:
  int64_t neighbours(int64_t n);
  Tensor messages(const Tensor& h_NE, const Tensor& t_NE);
  Tensor aggregate(const Tensor& h_NE, const Tensor& m_NE);

  WikgConfig config_;
  int64_t in_dim_;
  bool warned_ = false;
  Linear fc1_{nullptr}, head_{nullptr}, tail_{nullptr}, linear1_{nullptr}, linear2_{nullptr}, classifier_{nullptr};
  AttentionScores readout_;
  LayerNorm norm_{nullptr};
};

}  // namespace eosin::mil
