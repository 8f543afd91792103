#pragma once
// Attention with linear biases on two axes: the farther two tiles lie apart, the less they see of each other.
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

/// Slopes of the heads (Press et al. 2022, arXiv:2108.12409): 2^(-8 (h + 1) / P) for the largest power of two P, the rest 2^(-4 (2 i + 1) / P).
///
/// Shapes   [H] float32.
Tensor alibi_slopes(int64_t heads);

/// softmax(q k / sqrt(d) - slope_h |grid_i - grid_j|) v, a block of queries at a time: nothing of size N x N is kept for the backward pass.
///
/// Shapes   q, k, v [H, N, d], grid [N, 2]; returns [H, N, d].
/// Checked  golden mil.titan_alibi_2d.
Tensor alibi_attention(const Tensor& q_HNd, const Tensor& k_HNd, const Tensor& v_HNd, const Tensor& grid_N2, const Tensor& slopes_H);

struct AlibiVitConfig {
  int64_t dim = 768, depth = 6, heads = 12;
  double mlp_ratio = 4, dropout = 0.1;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of heads", config::Range{1, 65536});
    v("depth", depth, "layers", config::Range{1, 256});
    v("heads", heads, "heads of attention", config::Range{1, 1024});
    v("mlp_ratio", mlp_ratio, "hidden width of a layer's MLP over dim", config::Range{0, 64, config::kOpenLow});
    v("dropout", dropout, "after attention and MLP", config::Range{0, 1, config::kOpenHigh});
  }
  void validate(config::Problems& p) const;
};

/// A transformer over tiles with 2-D ALiBi, in the manner of TITAN (Ding et al. 2024, arXiv:2411.19666), whose training code is not public. The class
/// token lies nowhere: its distance to everything is 0. The grid comes from coords and the size of a tile.
///
/// Shapes   features [N, in_dim] with coords and tile_size_px.
/// Errors   Data without them.
/// Checked  tests/mil/test_heads.cpp.
class AlibiVit : public Head {
 public:
  AlibiVit(const AlibiVitConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

 private:
  struct Layer {
    LayerNorm norm1{nullptr}, norm2{nullptr};
    Linear qkv{nullptr}, proj{nullptr}, fc1{nullptr}, fc2{nullptr};
  };
  Tensor encode(const Tensor& h_NE, const Tensor& grid_N2, const Pass& pass);

  AlibiVitConfig config_;
  int64_t in_dim_;
  Linear embed_{nullptr}, classifier_{nullptr};
  Tensor cls_token_;
  std::vector<Layer> layers_;
  LayerNorm norm_{nullptr};
};

}  // namespace eosin::mil
