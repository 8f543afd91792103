#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct RrtConfig {
  RrtConfig();
  int64_t dim = 512, heads = 8, region_num = 8, epeg_k = 15, crmsa_k = 1, crmsa_heads = 8;
  bool crmsa_mlp = false, all_shortcut = false;
  double dropout = 0.25;
  config::Choice head;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of heads and crmsa_heads", config::Range{1, 65536});
    v("heads", heads, "heads inside regions", config::Range{1, 1024});
    v("region_num", region_num, "regions a side, of the first layer", config::Range{1, 1024});
    v("epeg_k", epeg_k, "taps of the convolution of the logits, odd", config::Range{1, 1001});
    v("crmsa_k", crmsa_k, "representatives of a region in the second layer", config::Range{1, 1024});
    v("crmsa_heads", crmsa_heads, "heads across regions", config::Range{1, 1024});
    v("crmsa_mlp", crmsa_mlp, "choose representatives by two layers with tanh; false: one");
    v("all_shortcut", all_shortcut, "add the tiles before both layers to those after");
    v("dropout", dropout, "after the first layer", config::Range{0, 1, config::kOpenHigh});
    v("head", head, "what reads the re-embedded tiles");
  }
  void validate(config::Problems& p) const;
};

/// Re-embedded regional transformer (Tang et al. 2024, arXiv:2402.17228) in front of any head: attention inside regions of the square of tiles,
/// with a convolution of its logits (EPEG), then across regions by representatives (CR-MSA, always 8 x 8 regions). Order-dependent.
/// Parameters as R2T-MIL's `patch_to_emb.0.*`, `online_encoder.*`; the head's below `head.`.
///
/// Shapes   features [N, in_dim]; the rest is the head's.
/// Differs  the second layer does nothing where its regions have one tile (N of at most 64), as published; warned of once.
/// Checked  golden mil.rrt; tests/mil/test_heads.cpp.
class Rrt : public Head {
 public:
  Rrt(const RrtConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;
  void after_update(const Pass& pass) override { head_->after_update(pass); }
  /// Shapes   [N, dim].
  Tensor reembed(const BagBatch& bags, const Pass& pass);
  Head& head() { return *head_; }

 private:
  Tensor within_regions(const Tensor& e_NE);
  Tensor across_regions(const Tensor& x_NE);
  Tensor slot_logits(const Tensor& y_RtE);

  RrtConfig config_;
  int64_t in_dim_;
  bool warned_ = false;
  Linear embed_{nullptr}, qkv_{nullptr}, proj_{nullptr}, cross_qkv_{nullptr}, cross_proj_{nullptr}, phi0_{nullptr}, phi2_{nullptr};
  LayerNorm norm1_{nullptr}, norm2_{nullptr}, norm_{nullptr};
  torch::nn::Conv2d pe_{nullptr};
  Tensor phi_;
  std::shared_ptr<Head> head_;
};

}  // namespace eosin::mil
