#pragma once
// DINO: self-distillation with no labels (Caron et al. 2021, arXiv:2104.14294).
#include "core/nn/backbone.h"
#include "core/nn/encoder_spec.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "ssl/dino_head.h"
#include "ssl/dino_loss.h"
#include "ssl/layer_rates.h"
#include "train/objective.h"

#include <functional>

namespace eosin::ssl {

/// Steps, not epochs. Defaults are the paper's ViT-S/16 recipe.
struct DinoConfig : LayerRates {
  int64_t n_prototypes = 65536, hidden_dim = 2048, bottleneck_dim = 256;
  bool use_bn = false, norm_last_layer = true;
  double student_temp = 0.1, teacher_temp = 0.04, warmup_teacher_temp = 0.04;
  int64_t warmup_teacher_temp_steps = 0, teacher_temp_hold_steps = 1;
  double momentum = 0.996, momentum_end = 1.0, center_momentum = 0.9;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Backbone and head: what the student and the teacher are.
struct DinoNetImpl : torch::nn::Module {
  DinoNetImpl(const nn::ModelConfig& model, const DinoHeadShape& shape, const std::shared_ptr<Comm>& comm);
  /// Features of crops in the order of the groups.
  Tensor forward(const std::vector<Tensor>& groups_BCHW, const std::optional<nn::DropPathKey>& drop_path = {});

  std::shared_ptr<nn::Backbone> backbone;
  DinoHead head{nullptr};
};
TORCH_MODULE(DinoNet);

/// Views: two global crops, then any number of local ones; the student sees all, the teacher the global ones.
///
/// The teacher is the exponential moving average of the student's parameters, head included, and starts as its copy. Batch norms of a
/// convolutional backbone are in training mode in both, as in DINO's code: they use the statistics of the batch over all ranks, one size of
/// crops at a time, and each network keeps running averages of its own. The centre is the moving
/// average of the teacher's logits over all ranks and micro-steps of a step; the one used is from before this step.
/// Parts: dino; when a step is logged also the collapse measures.
/// Errors   Shape if a batch has fewer than two views.
/// Checked  golden ssl.dino_step; tests/ssl/test_dino.cpp: no gradient to the teacher, closed-form average, resume.
class Dino final : public train::Objective<data::ViewBatch> {
 public:
  Dino(const DinoConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  nn::Backbone& teacher_backbone() { return *teacher_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override;
  /// Tensors student.*, teacher.*, center; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  double teacher_temp(const train::Progress& progress) const;

  DinoConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  DinoNet student_{nullptr}, teacher_{nullptr};
  TeacherCenter center_;
};

}  // namespace eosin::ssl
