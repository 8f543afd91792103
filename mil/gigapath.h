#pragma once
#include "core/base/config.h"
#include "mil/dilated_attention.h"
#include "mil/head.h"

namespace eosin::mil {

struct GigapathConfig {
  int64_t dim = 768, depth = 12, heads = 16, ffn_dim = 3072, slide_ngrids = 1000, tile_size = 256;
  std::vector<int64_t> segment_length = {1024, 5792, 32768, 185363, 1048576}, dilated_ratio = {1, 2, 4, 8, 16};
  bool global_pool = false;
  std::string compat;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of 4 and of heads", config::Range{4, 65536});
    v("depth", depth, "layers", config::Range{1, 256});
    v("heads", heads, "heads of attention", config::Range{1, 1024});
    v("ffn_dim", ffn_dim, "hidden width of a layer's MLP", config::Range{1, 1e6});
    v("segment_length", segment_length, "segments of dilated attention", config::Range{1, 1e9}, config::Length{1, 16});
    v("dilated_ratio", dilated_ratio, "their dilations", config::Range{1, 1e9}, config::Length{1, 16});
    v("slide_ngrids", slide_ngrids, "positions a side", config::Range{1, 1e6});
    v("global_pool", global_pool, "the mean of the tiles; false: the class token");
    v("tile_size", tile_size, "with compat: level-0 pixels a position", config::Range{1, 1e6});
    v("compat", compat, "gigapath: positions in pixels of level 0, whatever the magnification", config::OneOf{{"", "gigapath"}});
  }
  void validate(config::Problems& p) const;
};

/// Sine and cosine embedding of grid positions, the second coordinate's first, as in Prov-GigaPath.
///
/// Shapes   grid [N, 2] int64; position [N] = g0 ngrids + g1 + 1, embedding [N, dim] float32.
/// Errors   Data if a position lies outside the grid.
/// Checked  golden mil.gigapath_pos_embed.
struct GridPositions {
  Tensor position_N, embedding_NE;
};
GridPositions embed_positions(const Tensor& grid_N2, int64_t slide_ngrids, int64_t dim);
/// floor(coords / tile_size).
Tensor grid_of(const Tensor& coords_N2, double tile_size);

/// Prov-GigaPath's slide encoder (Xu et al. 2024, Nature 630) with a linear classifier: positions on a grid, a class token, pre-norm layers of
/// dilated attention. Parameters as its weights: `patch_embed.proj.*`, `cls_token`, `encoder.*`, `norm.*`; `classifier.*` is ours.
///
/// Shapes   features [N, in_dim] with coords.
/// Errors   Data without coordinates, without the size of a tile (unless compat), or beyond the grid.
/// Differs  positions are counted in tiles, so that scans of 20x and 40x agree, unless compat says otherwise. No dropout.
/// Checked  golden mil.gigapath_slide_encoder; tests/mil/test_heads.cpp.
class Gigapath : public Head {
 public:
  Gigapath(const GigapathConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;
  /// Shapes   [B, dim].
  Tensor encode(const BagBatch& bags);

 private:
  struct Layer {
    LayerNorm attn_norm{nullptr}, final_norm{nullptr}, ffn_norm{nullptr};
    DilatedAttention attn{nullptr};
    Linear fc1{nullptr}, fc2{nullptr};
  };
  GigapathConfig config_;
  int64_t in_dim_;
  Linear patch_embed_{nullptr}, classifier_{nullptr};
  Tensor cls_token_;
  std::vector<Layer> layers_;
  LayerNorm encoder_norm_{nullptr}, norm_{nullptr};
};

}  // namespace eosin::mil
