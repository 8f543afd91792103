#pragma once
// MSN: views that lack patches are assigned to the prototypes of the whole image (Assran et al. 2022, arXiv:2204.07141).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/msn_loss.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's ViT-S/16 recipe.
struct MsnConfig : LayerRates {
  int64_t n_prototypes = 1024, hidden_dim = 2048, out_dim = 256;
  double temperature = 0.1, sharpen_temperature = 0.25;
  int64_t sinkhorn_iterations = 3;
  double memax_weight = 1.0, patch_drop = 0.15;
  double momentum = 0.996, momentum_end = 1.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
  MsnLossOptions loss() const { return {temperature, sharpen_temperature, sinkhorn_iterations, memax_weight}; }
};

/// What MSN trains: `prototypes.weight` [K, out_dim] beside backbone and projector.
struct MsnNetImpl : ProjectedNetImpl {
  MsnNetImpl(const nn::ModelConfig& model, const ProjectorShape& projector, int64_t n_prototypes, const std::shared_ptr<Comm>& comm);
  void init_weights(uint64_t seed);

  Tensor prototypes;
};
TORCH_MODULE(MsnNet);

/// Views: the first global crop is the teacher's. The anchors, which the student sees, are the second, without a share of its patches, and the
/// local (focal) crops, whole. Which patches are dropped is one draw for all images of a batch, from (seed, position of the batch).
///
/// The teacher is the moving average of backbone and projector, its momentum on a straight line. Targets are balanced, the mean prediction is
/// taken and batch norms see images over all ranks; the projector sees all anchors together.
/// Parts: cross_entropy, memax, which add up to the total; when a step is logged also the collapse measures of the targets.
/// Errors   Shape if a batch has fewer than two views.
/// Checked  golden ssl.msn; tests/ssl/test_msn.cpp: no gradient to the teacher, dropped patches do not matter, resume.
class Msn final : public train::Objective<data::ViewBatch> {
 public:
  Msn(const MsnConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override { return {"the balance of the targets", "memax", "batch norm"}; }
  /// Tensors student.*, teacher.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  Tensor anchors(const data::ViewBatch& batch);

  MsnConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  MsnNet student_{nullptr};
  ProjectedNet teacher_{nullptr};
};

}  // namespace eosin::ssl
