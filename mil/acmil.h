#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct AcmilConfig {
  int64_t dim = 512, attention_dim = 128, n_token = 5, n_masked_patch = 10;
  double mask_drop = 0.6, diversity_weight = 1;

  void visit(config::Visitor& v) {
    v("dim", dim, "width before attention (ACMIL: 128 for features of 384, 256 of 512, 512 of 1024, 768 of 1536)", config::Range{1, 65536});
    v("attention_dim", attention_dim, "width inside attention", config::Range{1, 65536});
    v("n_token", n_token, "branches of attention", config::Range{1, 64});
    v("n_masked_patch", n_masked_patch, "highest scores of each branch among which training masks; 0: none", config::Range{0, 1e6});
    v("mask_drop", mask_drop, "part of these that is masked", config::Range{0, 1});
    v("diversity_weight", diversity_weight, "of the branches' mean cosine (without it 5.3 F1 points less on CAMELYON16)", config::Range{0, 100});
  }
};

/// Sets int(r * mask_drop) of each branch's r highest scores to -1e9: those ranks that an ascending sort of the noise puts first.
///
/// Shapes   scores_NK, noise [K, r] with r <= N.
Tensor mask_top_scores(const Tensor& scores_NK, const Tensor& noise_Kr, double mask_drop);
/// Mean cosine of all pairs of rows; 0 for a single row.
///
/// Shapes   attention_KN -> scalar.
Tensor attention_diversity(const Tensor& attention_KN);

/// Attention-challenging MIL (Zhang et al. 2024, arXiv:2311.07125): several gated branches that must differ, with their highest scores masked at
/// random in training; the slide's attention is the mean of the branches'. Parameters as ACMIL's: `dimreduction.fc1.weight`, `attention.*`,
/// `classifier.{k}.fc.*`, `Slide_classifier.fc.*`.
///
/// Shapes   features [N, in_dim]; attention [n_token, N]. Branch "branches", own loss "diversity"; neither with a single token.
/// Checked  golden mil.acmil; tests/mil/test_heads.cpp.
class Acmil : public Head {
 public:
  Acmil(const AcmilConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "xavier", seed); }

  /// The noise of each bag given; undefined or none: no mask.
  HeadOutput forward_with_noise(const BagBatch& bags, const std::vector<Tensor>& noise_Kr);
  /// Shapes   embedding_BKE -> [B * K, C], each branch by its own classifier.
  Tensor branch_logits(const Tensor& embedding_BKE);

 private:
  AcmilConfig config_;
  int64_t in_dim_;
  Linear fc1_{nullptr}, slide_{nullptr};
  AttentionScores attention_;
  std::vector<Linear> classifiers_;
};

}  // namespace eosin::mil
