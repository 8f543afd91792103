#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct AdditiveConfig {
  std::vector<int64_t> attention_hidden = {256}, classifier_hidden = {256};

  void visit(config::Visitor& v) {
    v("attention_hidden", attention_hidden, "hidden widths of the attention MLP; none: one linear layer", config::Range{1, 65536},
      config::Length{0, 8});
    v("classifier_hidden", classifier_hidden, "hidden widths of the classifier MLP; none: one linear layer", config::Range{1, 65536},
      config::Length{0, 8});
  }
};

/// Additive MIL (Javed et al. 2022, arXiv:2206.01794): the classifier sees each tile times its attention, and the bag's logits are the sum of
/// the tiles': heat maps are exact contributions. Leaky ReLU of slope 0.2. Parameters `pointer.model.{0, 2, ...}.*`, `classifier.model.*`.
///
/// Shapes   features [N, in_dim]; attention [1, N]; instance_logits_NC sum to logits_BC in each bag, biases included.
/// Checked  golden mil.additive; tests/mil/test_heads.cpp.
class Additive : public Head {
 public:
  Additive(const AdditiveConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "fan_in", seed); }

 private:
  int64_t in_dim_;
  std::vector<Linear> pointer_, classifier_;
};

}  // namespace eosin::mil
