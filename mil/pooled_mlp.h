#pragma once
// The baselines that nobody can skip: mean and maximum of the tiles with a small MLP.
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct PooledMlpConfig {
  int64_t hidden_dim = 512;
  double dropout = 0.25;
  std::string act = "relu", level = "instance";

  void visit(config::Visitor& v) {
    v("hidden_dim", hidden_dim, "width of the hidden layer", config::Range{1, 65536});
    v("dropout", dropout, "after the hidden layer", config::Range{0, 1, config::kOpenHigh});
    v("act", act, "activation of the hidden layer", config::OneOf{{"relu", "gelu", "tanh"}});
    v("level", level, "what is pooled: the MLP's answers, or the features before it", config::OneOf{{"instance", "embedding"}});
  }
};
/// Mean of the features, then the MLP: SiMLP's reading of a bag.
struct SimlpConfig : PooledMlpConfig {
  SimlpConfig() { level = "embedding"; }
};

/// Linear, activation, Linear, pooled by the mean or (each class its own instance) by the maximum. Parameters `head.0.*`, `head.2.*`.
///
/// Errors   Config for a maximum of features.
/// Checked  golden mil.mean_pool, mil.max_pool; tests/mil/test_heads.cpp.
class PooledMlp : public Head {
 public:
  enum class Pool { kMean, kMax };
  PooledMlp(const PooledMlpConfig& config, Pool pool, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  void init_weights(uint64_t seed) override { init_layers(*this, "xavier", seed); }

 private:
  Tensor mlp(const Tensor& x_ND, const Pass& pass, const std::vector<int64_t>& offsets);

  PooledMlpConfig config_;
  Pool pool_;
  int64_t in_dim_;
  Linear hidden_{nullptr}, out_{nullptr};
};

}  // namespace eosin::mil
