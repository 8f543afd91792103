#pragma once
#include "core/base/config.h"
#include "mil/attention_scores.h"

namespace eosin::mil {

struct AdaptiveRegionsConfig {
  int64_t dim = 512, heads = 8, regions = 8, assigned = 3, attention_dim = 128;
  double dropout = 0.25;

  void visit(config::Visitor& v) {
    v("dim", dim, "width, a multiple of heads", config::Range{1, 65536});
    v("heads", heads, "heads of attention", config::Range{1, 1024});
    v("regions", regions, "regions a side that the slide's box starts with", config::Range{1, 64});
    v("assigned", assigned, "regions that a tile belongs to", config::Range{1, 64});
    v("attention_dim", attention_dim, "width inside the attention that pools", config::Range{1, 65536});
    v("dropout", dropout, "after the first layer", config::Range{0, 1, config::kOpenHigh});
  }
  void validate(config::Problems& p) const;
};

/// Adaptive regions in the manner of CARE, whose widths and code are not public: the slide's box is cut into a grid of regions; each
/// region's mean tile is its query; a tile belongs softly to the few regions whose queries it resembles most, near ones first; attention runs inside
/// these irregular regions, biased by the log of membership, and gated attention pools the result.
///
/// Shapes   features [N, in_dim] with coords; attention [1, N].
/// Errors   Data without coordinates.
/// Checked  tests/mil/test_heads.cpp.
class AdaptiveRegions : public Head {
 public:
  AdaptiveRegions(const AdaptiveRegionsConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "xavier", seed); }

 private:
  Tensor refine(const Tensor& h_NE, const Tensor& coords_N2);

  AdaptiveRegionsConfig config_;
  int64_t in_dim_;
  Linear fc_{nullptr}, region_query_{nullptr}, region_key_{nullptr}, qkv_{nullptr}, proj_{nullptr}, classifier_{nullptr};
  LayerNorm norm_{nullptr};
  AttentionScores attention_;
};

}  // namespace eosin::mil
