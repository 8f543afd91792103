#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct DtfdConfig {
  int64_t dim = 512, attention_dim = 128, num_group = 4, total_instance = 4, num_layer_res = 0, num_mean_inference = 1;
  std::string distill = "AFS";
  bool joint = false;

  void visit(config::Visitor& v) {
    v("dim", dim, "width before attention", config::Range{1, 65536});
    v("attention_dim", attention_dim, "width inside attention", config::Range{1, 65536});
    v("num_group", num_group, "pseudo-bags that a bag is split into (paper: 5 on CAMELYON16, 8 on TCGA)", config::Range{1, 1e6});
    v("distill", distill, "what a pseudo-bag hands on: its vector (AFS), its top tiles (MaxS), top and bottom (MaxMinS)",
      config::OneOf{{"AFS", "MaxS", "MaxMinS"}});
    v("total_instance", total_instance, "tiles that all pseudo-bags together hand on at each end", config::Range{1, 1e6});
    v("num_layer_res", num_layer_res, "residual blocks before attention", config::Range{0, 16});
    v("num_mean_inference", num_mean_inference, "random partitions that an evaluation averages", config::Range{1, 1000});
    v("joint", joint, "let the second tier's gradient into the first (the authors' loop throws it away)");
  }
  void validate(config::Problems& p) const;
};

/// A partition of one bag's rows: pseudo-bag g is rows order[offsets[g] ... offsets[g + 1]).
struct Partition {
  Tensor order_N;  // int64
  std::vector<int64_t> offsets;
};
/// A random one into (at most) `groups` parts whose sizes differ by one at most.
Partition draw_partition(int64_t n, int64_t groups, DrawKey key);

/// Double-tier distillation (Zhang et al. 2022, arXiv:2203.12081): attention on random pseudo-bags that carry the parent's label, and a second
/// attention on what each of them distils. Tiles are ranked by class activation: softmax of W (a_i h_i) without bias, of the last class.
/// Parameters as DTFD-MIL's: `dim_reduction.*`, `attention.*`, `classifier.fc.*`, `att_classifier.*`.
///
/// Shapes   features [N, in_dim]; attention [1, N] within pseudo-bags, scaled to sum 1. The pseudo-bags' logits are branch "tier1".
/// Differs  evaluation draws its partitions by the bag's size: a bag is always cut alike.
/// Checked  golden mil.dtfd; tests/mil/test_heads.cpp.
class Dtfd : public Head {
 public:
  Dtfd(const DtfdConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override;

  struct Tiers {
    Tensor sub_logits_GC, distilled_ME, logits_C, embedding_E, attention_N;
  };
  /// One bag with a given partition.
  Tiers forward_partition(const Tensor& x_ND, const Partition& partition);
  /// One entry a bag.
  static HeadOutput as_output(const std::vector<Tiers>& bags);

 private:
  Tensor embed(const Tensor& x_ND);
  Tensor distil(const Tensor& h_nE, const Tensor& attention_n, const Tensor& pooled_E);

  DtfdConfig config_;
  int64_t in_dim_;
  uint64_t seed_ = 0;
  Linear fc1_{nullptr}, classifier_{nullptr}, top_classifier_{nullptr};
  std::vector<std::pair<Linear, Linear>> blocks_;
  AttentionScores attention_, top_attention_;
};

}  // namespace eosin::mil
