#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct IlraConfig {
  int64_t dim = 256, num_heads = 8, rank = 64, num_layers = 2;
  bool ln = true;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of num_heads", config::Range{1, 65536});
    v("num_heads", num_heads, "heads of every attention", config::Range{1, 1024});
    v("rank", rank, "latent rows that each block squeezes a bag through", config::Range{1, 65536});
    v("num_layers", num_layers, "blocks", config::Range{1, 64});
    v("ln", ln, "layer norms after attention and after the layer behind it");
  }
  void validate(config::Problems& p) const;
};

/// Attention of queries on keys with a residual layer behind it, and a gate by the queries. Parameters `fc_{q,k,v,o}.*`,
/// `multihead_attn.{in_proj_weight, in_proj_bias, out_proj.*}`, `ln0.*`, `ln1.*`, `gate.0.*`.
class MabImpl : public torch::nn::Module {
 public:
  MabImpl(int64_t query_dim, int64_t key_dim, int64_t dim, int64_t num_heads, bool ln, bool gated);
  /// Shapes   queries [n, query_dim], keys [m, key_dim] -> [n, dim].
  Tensor forward(const Tensor& queries, const Tensor& keys);

 private:
  Tensor attend(const Tensor& q_nE, const Tensor& k_mE, const Tensor& v_mE);

  int64_t num_heads_;
  Linear fc_q_{nullptr}, fc_k_{nullptr}, fc_v_{nullptr}, fc_o_{nullptr}, out_proj_{nullptr}, gate_{nullptr};
  Tensor in_proj_weight_, in_proj_bias_;
  LayerNorm ln0_{nullptr}, ln1_{nullptr};
};
TORCH_MODULE(Mab);

/// Iterative low-rank attention (Xiang and Zhang 2023, ICLR "Exploring low-rank property in multiple instance learning"): blocks that squeeze
/// the bag through a few latent rows and back, then a learnt query pools it. Parameters `gab_blocks.{i}.*`, `pooling.*`, `classifier.*`.
///
/// Shapes   features [N, in_dim]; no attention over instances is given out.
/// Checked  golden mil.ilra; tests/mil/test_heads.cpp.
class Ilra : public Head {
 public:
  Ilra(const IlraConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

 private:
  struct Block {
    Tensor latent_1RE;
    Mab forward{nullptr}, backward{nullptr};
  };
  int64_t in_dim_;
  std::vector<Block> blocks_;
  Tensor query_11E_;
  Mab pooling_{nullptr};
  Linear classifier_{nullptr};
};

}  // namespace eosin::mil
