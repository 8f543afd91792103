#pragma once
// Distillation of frozen teachers' features: one or several encoders, whole or as GPFM's experts (Ma et al. 2024, arXiv:2407.18449).
#include "core/nn/encoder.h"
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "ssl/expert_loss.h"
#include "ssl/phi_s.h"
#include "train/objective.h"

#include <memory>
#include <optional>

namespace eosin::ssl {

/// Lists hold one value for each teacher, or one for all.
struct DistillConfig {
  std::vector<std::string> teachers;
  std::vector<int64_t> image_sizes_px = {0};
  std::vector<double> means, stds;
  std::vector<double> cls_weights = {1.0}, patch_weights = {0.25};
  std::vector<std::string> cls_losses = {"cosine"}, patch_losses = {"cosine_smooth_l1"};
  std::vector<std::string> targets = {"raw"};
  std::vector<std::string> phi_s_features;
  double cosine_weight = 0.9, smooth_l1_weight = 0.1, kl_temperature = 1.0;
  int64_t bottleneck_dim = 256;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// A frozen encoder and how the student's views become its images.
struct DistillTeacher {
  std::string path;
  nn::Encoder encoder;
  std::vector<int64_t> image_size;  // height, width
  Tensor scale_C11, shift_C11;      // from the views' normalisation to the teacher's
  std::optional<PhiS> phi_s;        // of class tokens
  ExpertLossOptions loss;

  /// Shapes   views_BCHW, normalised for the student. Without gradient.
  ClsAndPatches see(const Tensor& views_BCHW);
};
/// Teacher `i` of the config, for views normalised as `student` says.
DistillTeacher load_teacher(const DistillConfig& config, size_t i, const nn::EncoderSpec& student);

/// What is trained: backbone, and a head `heads.<teacher>` each, of one linear layer, unit length and weight-normed linear layer whose lengths
/// are trained too (with length 1 no coordinate could pass 1).
struct DistillNetImpl : torch::nn::Module {
  DistillNetImpl(const nn::ModelConfig& model, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim,
                 const std::shared_ptr<Comm>& comm);
  void init_weights(uint64_t seed);

  std::shared_ptr<nn::Backbone> backbone;
  std::vector<DinoHead> heads;
};
TORCH_MODULE(DistillNet);

/// Views: any number; every view is a sample that student and teachers see alike. Teachers get it with their own mean, std and size (bicubic,
/// antialias); their patches are resized to the student's grid.
///
/// Teachers are frozen and not in the state; their weights' hashes are, and a resumed run must have the same teachers.
/// Parts: for each teacher `teacher<i>_cls` and `teacher<i>_patch`, weighted, which add up to the total.
/// Errors   those of nn::load_encoder; Config if a teacher cannot take its image size; Data if a resumed run's teachers are others, or the
///          features for PHI-S are too few or another model's.
/// Checked  golden ssl.feature_kd, ssl.multi_teacher, ssl.phi_s; tests/ssl/test_distill.cpp: a student that is its teacher, two ranks, resume.
class Distill final : public train::Objective<data::ViewBatch> {
 public:
  Distill(const DistillConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  /// Tensors student.*; values "encoder": the EncoderSpec, "teachers": path and hash of each.
  State state() override;
  void load_state(const State& state) override;

 private:
  ExpertTerms compare(size_t teacher, const std::vector<Tensor>& groups_BCHW, const std::vector<ClsAndPatches>& student);
  nlohmann::json teacher_identities() const;

  DistillConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::vector<DistillTeacher> teachers_;
  DistillNet student_{nullptr};
};

}  // namespace eosin::ssl
