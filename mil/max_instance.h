#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct MaxInstanceConfig {
  int64_t hidden_dim = 512;
  double dropout = 0.25;

  void visit(config::Visitor& v) {
    v("hidden_dim", hidden_dim, "width of the hidden layer", config::Range{1, 65536});
    v("dropout", dropout, "after the hidden layer", config::Range{0, 1, config::kOpenHigh});
  }
};

/// A bag's logits are those of its most suspicious tile: of class 1 where there are two classes, else of the largest probability of any class.
/// CLAM's baseline `MIL_fc` (Lu et al. 2021). Parameters `fc.0.*`, `classifier.*` (one or two classes) or `classifiers.*`.
///
/// Checked  golden mil.max_instance; tests/mil/test_heads.cpp.
class MaxInstance : public Head {
 public:
  MaxInstance(const MaxInstanceConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "xavier", seed); }

 private:
  MaxInstanceConfig config_;
  int64_t in_dim_;
  Linear fc_{nullptr}, classifier_{nullptr};
};

}  // namespace eosin::mil
