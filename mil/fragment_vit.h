#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct FragmentVitConfig {
  int64_t dim = 768, depth = 6, heads = 12, storage_tokens = 7;
  double mlp_ratio = 4, dropout = 0.2, rope_base = 100;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of 4 heads", config::Range{4, 65536});
    v("depth", depth, "layers: even ones see everything, odd ones their own piece of tissue", config::Range{1, 256});
    v("heads", heads, "heads of attention", config::Range{1, 1024});
    v("storage_tokens", storage_tokens, "tokens beside the class token", config::Range{0, 64});
    v("mlp_ratio", mlp_ratio, "hidden width of a layer's SwiGLU over dim", config::Range{0, 64, config::kOpenLow});
    v("dropout", dropout, "after attention and MLP", config::Range{0, 1, config::kOpenHigh});
    v("rope_base", rope_base, "greatest period of the rotary positions", config::Range{1, 1e9});
  }
  void validate(config::Problems& p) const;
};

/// A transformer over tiles whose layers alternate between full attention without positions and attention with rotary positions inside each piece
/// of tissue, in the manner of EXAONE Path 2.5 (weights and training are not public). Positions are (coord + tile / 2) / tile,
/// which is its (coord + 128) / 256. The bag's vector is the mean tile beside the mean token.
///
/// Shapes   features [N, in_dim] with coords and tile_size_px; fragment_N where known, else the slide is one piece.
/// Errors   Data without coordinates or the size of a tile.
/// Differs  in layers of pieces the class and storage tokens see all tiles and are seen by all.
/// Checked  tests/mil/test_heads.cpp.
class FragmentVit : public Head {
 public:
  FragmentVit(const FragmentVitConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

 private:
  struct Layer {
    LayerNorm norm1{nullptr}, norm2{nullptr};
    Linear qkv{nullptr}, proj{nullptr}, fc1{nullptr}, fc2{nullptr};
  };
  struct Slide {
    Tensor rows_NE, coords_N2;   // in tiles
    std::vector<Tensor> pieces;  // rows of each fragment
  };
  Tensor attend(Layer& layer, const Tensor& x_TE, const Slide& slide, bool by_piece);
  Tensor encode(const Slide& slide, const Pass& pass);

  FragmentVitConfig config_;
  int64_t in_dim_;
  Linear embed_{nullptr}, classifier_{nullptr};
  LayerNorm embed_norm_{nullptr}, norm_{nullptr};
  Tensor tokens_;
  std::vector<Layer> layers_;
};

}  // namespace eosin::mil
