#pragma once
// MoCo v3: contrast against the embeddings of a momentum encoder, made for vision transformers (Chen et al. 2021, arXiv:2104.02057).
#include "core/nn/encoder_spec.h"
#include "data/batch.h"
#include "ssl/layer_rates.h"
#include "ssl/projected_net.h"
#include "train/objective.h"

namespace eosin::ssl {

/// Defaults are the paper's for ViT.
struct MocoV3Config : LayerRates {
  int64_t hidden_dim = 4096, out_dim = 256;
  double temperature = 0.2, momentum = 0.99, momentum_end = 1.0;
  bool freeze_patch_embed = true;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Views: two global crops; each is to find the other among the embeddings of all ranks' images. Batch norms see one view at a time over
/// all ranks. With freeze_patch_embed the patch convolution keeps its initial weights, which steadies training.
///
/// The teacher is the moving average of the parameters of backbone and projector; its batch norms use the batch's own statistics and keep
/// running averages of their own, as in the original code.
/// Parts: moco_v3; when a step is logged also embedding_spread (of the teacher).
/// Errors   Shape if a batch has fewer than two views.
/// Differs  positions are learned, and the patch convolution starts as torch's default, not by Xavier's rule.
/// Checked  golden ssl.moco_v3; tests/ssl/test_moco_v3.cpp: no gradient to the teacher, two ranks against one process, resume.
class MocoV3 final : public train::Objective<data::ViewBatch> {
 public:
  MocoV3(const MocoV3Config& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override { return {"moco_v3", "batch norm"}; }
  /// Tensors student.*, teacher.*; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  MocoV3Config config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  PredictingNet student_{nullptr};
  ProjectedNet teacher_{nullptr};
};

}  // namespace eosin::ssl
