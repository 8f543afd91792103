#pragma once
// BYOL: the student predicts the embedding that its own moving average gives another view (Grill et al. 2020, arXiv:2006.07733).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's.
struct ByolConfig : LayerRates {
  int64_t hidden_dim = 4096, out_dim = 256;
  double momentum = 0.996, momentum_end = 1.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Views: two global crops; each is predicted from the other. There are no negatives: what keeps embeddings apart is the predictor, the
/// moving average and the batch norms, which see one view at a time over all ranks.
///
/// The teacher is the moving average of the parameters of backbone and projector; its batch norms use the batch's own statistics and keep
/// running averages of their own, as in the original code.
/// Parts: byol; when a step is logged also embedding_spread (of the teacher).
/// Errors   Shape if a batch has fewer than two views.
/// Checked  golden ssl.byol; tests/ssl/test_byol.cpp: no gradient to the teacher, two ranks against one process, resume.
class Byol final : public train::Objective<data::ViewBatch> {
 public:
  Byol(const ByolConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override { return {"batch norm"}; }
  /// Tensors student.*, teacher.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  ByolConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  PredictingNet student_{nullptr};
  ProjectedNet teacher_{nullptr};
};

}  // namespace eosin::ssl
