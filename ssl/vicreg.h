#pragma once
// VICReg: embeddings of two views agree, every coordinate varies, coordinates do not covary (Bardes et al. 2022, arXiv:2105.04906).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's.
struct VicregConfig : LayerRates {
  int64_t hidden_dim = 8192, out_dim = 8192, projector_layers = 3;
  double invariance_weight = 25, variance_weight = 25, covariance_weight = 1;

  void visit(config::Visitor& v);
};

/// Views: two global crops. Variances, covariances and batch norms are over the images of all ranks; batch norms see one view at a time.
///
/// Parts: invariance, variance, covariance, which add up to the total; when a step is logged also embedding_spread.
/// Errors   Shape if a batch has fewer than two views, or there are fewer than two images over all ranks.
/// Checked  golden ssl.vicreg; tests/ssl/test_vicreg.cpp: two ranks against one process, resume.
class Vicreg final : public train::Objective<data::ViewBatch> {
 public:
  Vicreg(const VicregConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<std::string> batch_losses() const override { return {"variance", "covariance", "batch norm"}; }
  /// Tensors student.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  VicregConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  ProjectedNet student_{nullptr};
};

}  // namespace eosin::ssl
