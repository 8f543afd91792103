#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct ClamConfig {
  std::string size = "small", inst_loss = "svm", compat;
  bool gated = true, subtyping = false;
  int64_t k_sample = 8;
  double bag_weight = 0.7, dropout = 0.25;
  std::optional<int64_t> embed_dim, attention_dim;

  void visit(config::Visitor& v) {
    v("size", size, "widths: small 512 and 256, big 512 and 384", config::OneOf{{"small", "big"}});
    v("embed_dim", embed_dim, "width before attention, in place of the size's", config::Range{1, 65536});
    v("attention_dim", attention_dim, "width inside attention, in place of the size's", config::Range{1, 65536});
    v("gated", gated, "gate attention by a sigmoid");
    v("k_sample", k_sample, "tiles of highest and of lowest attention that teach the instance classifiers", config::Range{1, 1e6});
    v("subtyping", subtyping, "classes exclude each other: the other classes' highest tiles are negatives too");
    v("inst_loss", inst_loss, "loss of the instance classifiers", config::OneOf{{"svm", "ce"}});
    v("bag_weight", bag_weight, "share of the bag's loss; the rest is the instances'", config::Range{0, 1});
    v("dropout", dropout, "after the first layer and inside attention", config::Range{0, 1, config::kOpenHigh});
    v("compat", compat, "clam: keep k_sample in bags of fewer than twice as many tiles, and fail below it", config::OneOf{{"", "clam"}});
  }
};

/// The instances that a bag of known class teaches by: per class the classifier's answers, in order of attention.
struct ClamInstances {
  Tensor loss;               // scalar
  Tensor labels_I, preds_I;  // 1: evidence of the class
};

/// Clustering-constrained attention (Lu et al. 2021, arXiv:2004.09666): gated attention, and instance classifiers that learn from the tiles
/// of highest and lowest attention. One row of attention ("SB") or one a class ("MB"). Parameters as CLAM's: `attention_net.*`,
/// `classifiers.*`, `instance_classifiers.{c}.*`.
///
/// Shapes   features [N, in_dim]; attention [1 or C, N]. Instances are used where bags.labels_B is defined (training).
/// Errors   Data if a label is not a class; with compat "clam" if a bag has fewer than k_sample tiles.
/// Differs  in bags of fewer than 2 k tiles k is N / 2 (at least 1), so that no tile is positive and negative at once; warned of once.
/// Checked  golden mil.clam_sb, mil.clam_mb, mil.varlen_batch; tests/mil/test_heads.cpp, test_quirks.cpp.
class Clam : public Head {
 public:
  Clam(const ClamConfig& config, bool per_class, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "xavier", seed); }

  struct Detail {
    HeadOutput out;
    std::vector<ClamInstances> instances;  // one a bag, where there are labels
  };
  Detail forward_with_instances(const BagBatch& bags, const Pass& pass);

 private:
  ClamInstances instances(const Tensor& h_NE, const Tensor& attention_NK, int64_t label);
  Tensor classify(const Tensor& embedding_BKE);
  int64_t samples_of(int64_t bag_size);

  ClamConfig config_;
  int64_t in_dim_, n_classes_;
  bool per_class_, warned_ = false;
  Linear fc_{nullptr};
  AttentionScores attention_;
  std::vector<Linear> classifiers_, instance_classifiers_;
};

}  // namespace eosin::mil
