#pragma once
#include "core/base/config.h"
#include "mil/head.h"
#include "mil/layers.h"

namespace eosin::mil {

struct DsmilConfig {
  int64_t query_dim = 128;
  bool nonlinear = true, passing_v = false;
  double dropout_v = 0;
  std::optional<int64_t> query_hidden_dim;

  void visit(config::Visitor& v) {
    v("query_dim", query_dim, "width of the queries", config::Range{1, 65536});
    v("query_hidden_dim", query_hidden_dim, "width of the layer before them; by default the same", config::Range{1, 65536});
    v("nonlinear", nonlinear, "queries by two layers with ReLU and tanh; false: one linear layer");
    v("passing_v", passing_v, "values by a layer with ReLU; false: the features as they are");
    v("dropout_v", dropout_v, "of the features before the value layer", config::Range{0, 1, config::kOpenHigh});
  }
};

/// Dual-stream MIL (Li et al. 2021, arXiv:2011.08939): an instance classifier finds each class's critical tile, whose query attends to all;
/// a convolution over the classes' bag vectors gives the bag's logits, so that every class sees all vectors.
/// Parameters as DSMIL's: `i_classifier.fc.0.*`, `b_classifier.{q, v.1, fcc}.*`.
///
/// Shapes   features [N, in_dim]; attention [C, N]. The largest instance logit of each class is a branch: the task's loss is half of both.
/// Differs  scores are scaled by the width of the queries, as the code does (which is sqrt(128) there).
/// Checked  golden mil.dsmil, mil.varlen_batch; tests/mil/test_heads.cpp.
class Dsmil : public Head {
 public:
  Dsmil(const DsmilConfig& config, int64_t in_dim, int64_t n_outputs);
  HeadOutput forward(const BagBatch& bags, const Pass& pass) override;
  /// Orthogonal weights and zero biases, the authors'.
  void init_weights(uint64_t seed) override;

 private:
  Tensor query(const Tensor& x_ND);

  DsmilConfig config_;
  int64_t in_dim_, value_dim_;
  Linear instance_{nullptr}, q0_{nullptr}, q2_{nullptr}, v_{nullptr};
  torch::nn::Conv1d fcc_{nullptr};
};

}  // namespace eosin::mil
