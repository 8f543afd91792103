#pragma once
// iBOT: image BERT with an online tokenizer (Zhou et al. 2022, arXiv:2111.07832), in its original form.
#include "ssl/dino.h"
#include "ssl/ibot_loss.h"
#include "ssl/illustrated.h"
#include "ssl/layer_rates.h"

namespace eosin::ssl {

/// Steps, not epochs. Defaults are the paper's ViT-S/16 recipe. One head serves class tokens and patches.
struct IbotConfig : LayerRates {
  int64_t n_prototypes = 8192, hidden_dim = 2048, bottleneck_dim = 256;
  bool norm_last_layer = true;
  double student_temp = 0.1;
  double teacher_temp = 0.07, warmup_teacher_temp = 0.04;
  double teacher_patch_temp = 0.07, warmup_teacher_patch_temp = 0.04;
  int64_t warmup_teacher_temp_steps = 0, teacher_temp_hold_steps = 1;
  double momentum = 0.996, momentum_end = 1.0, center_momentum = 0.9, patch_center_momentum = 0.9;
  double mask_probability = 0.5;
  std::vector<double> mask_ratio = {0.1, 0.5};
  double cls_weight = 1.0, patch_weight = 1.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Views: two global crops, then any number of local ones. The teacher sees the global crops whole, the student masked and the local ones.
/// Masks are the batch's where it has some, else drawn for every crop by (seed, position of the tile, view).
///
/// Parts, each with its weight, which add up to the total: cls, patch (ssl/ibot_loss.h). When a step is logged also the
/// collapse measures of the class targets.
/// Errors   Shape if a batch has fewer than two views, the first two differ in size, or given masks do not fit.
/// Checked  golden ssl.ibot_v1_loss (its loss and centres); tests/ssl/test_ibot.cpp.
class Ibot final : public train::Objective<data::ViewBatch>, public Illustrated {
 public:
  Ibot(const IbotConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }
  /// Makes the teacher the student's copy.
  void copy_student_to_teacher();

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  Illustration illustrate(const data::ViewBatch& batch) override { return illustrate_masks(batch, masks(batch).masks_BN, encoder_.vit().patch_size); }
  void after_update(const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override;
  double momentum(const train::Progress& progress) const override;
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  /// Tensors student.*, teacher.*, center, patch_center; value "encoder": the EncoderSpec.
  State state() override;
  void load_state(const State& state) override;

 private:
  PatchMasks masks(const data::ViewBatch& batch) const;
  IbotTargets teach(const Tensor& global_BCHW, const PatchMasks& masks, const train::Progress& progress);
  double teacher_temp(int64_t step) const;
  double teacher_patch_temp(int64_t step) const;

  IbotConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::shared_ptr<Comm> comm_;
  DinoNet student_{nullptr}, teacher_{nullptr};
  IbotCenters centers_;
};

}  // namespace eosin::ssl
