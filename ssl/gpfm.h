#pragma once
// GPFM's unified distillation (Ma et al. 2024, arXiv:2407.18449): DINOv2, and frozen experts that the student follows beside itself.
#include "ssl/dinov2.h"
#include "ssl/distill.h"

#include <memory>

namespace eosin::ssl {

struct GpfmConfig {
  Dinov2Config dinov2;
  DistillConfig experts;

  GpfmConfig();
  void visit(config::Visitor& v);
};

/// The losses of Dinov2, and for every expert those of expert_loss: its class token and patches of the two whole global crops against the
/// student's of the masked ones, through a head of its own.
///
/// Parts: those of Dinov2, and `expert<i>_cls` and `expert<i>_patch`, weighted, which add up to the total with them. Experts are frozen and not
/// in the state; their weights' hashes are, and a resumed run must have the same. Their heads are clipped as one module.
/// Errors   those of Dinov2 and load_teacher.
/// Checked  golden ssl.dinov2_step, ssl.multi_teacher; tests/ssl/test_gpfm.cpp: the sum of its parts, two ranks, resume.
class Gpfm final : public train::Objective<data::ViewBatch> {
 public:
  Gpfm(const GpfmConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return dinov2_->student_backbone(); }
  void copy_student_to_teacher() { dinov2_->copy_student_to_teacher(); }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  void after_update(const train::Progress& progress) override { dinov2_->after_update(progress); }
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<train::MovingAverage> averages() override { return dinov2_->averages(); }
  double momentum(const train::Progress& progress) const override { return dinov2_->momentum(progress); }
  std::vector<std::pair<std::string, double>> schedule_values(const train::Progress& progress) const override;
  std::vector<std::string> batch_losses() const override { return dinov2_->batch_losses(); }
  /// What Dinov2 has; tensors expert_heads.*; value "teachers".
  State state() override;
  void load_state(const State& state) override;

 private:
  std::shared_ptr<Dinov2> dinov2_;
  std::vector<DistillTeacher> experts_;
  ExpertHeads heads_{nullptr};
};

}  // namespace eosin::ssl
