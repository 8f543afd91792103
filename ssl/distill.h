#pragma once
// Distillation of frozen teachers' features: one or several encoders, whole or as GPFM's experts (Ma et al. 2024, arXiv:2407.18449).
#include "core/nn/encoder.h"
#include "data/batch.h"
#include "data/cached_features.h"
#include "ssl/expert_loss.h"
#include "ssl/phi_s.h"
#include "ssl/teacher_identity.h"
#include "ssl/teacher_view.h"
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
  std::vector<std::string> phi_s_features, cached_features;
  bool fixed_targets = false;
  double cosine_weight = 0.9, smooth_l1_weight = 0.1, kl_temperature = 1.0;
  int64_t bottleneck_dim = 256;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
  /// Whether that teacher's features are read, not computed.
  bool is_cached(size_t teacher) const;
};

/// A frozen encoder, how the student's views become its images, and how the student's features are compared with its.
struct DistillTeacher {
  std::string path;
  nn::Encoder encoder;
  TeacherView view;
  std::optional<PhiS> phi_s;                          // of class tokens
  std::shared_ptr<const data::CachedFeatures> cache;  // then the encoder's model is gone: only the class tokens of whole tiles are known
  ExpertLossOptions loss;

  int64_t width() const { return nn::summary_dim(encoder.spec.model); }
  /// What it makes of the views of some tiles, crop-major; of a cache the same for every view of a tile.
  ///
  /// Shapes   views_BCHW, normalised for the student; tiles: those of one view. Without gradient.
  ClsAndPatches see(const Tensor& views_BCHW, const std::vector<int64_t>& tiles = {});
};
/// Teacher `i` of the config, for views normalised as `student` says, of tiles of `store` (null: not of one store).
DistillTeacher load_teacher(const DistillConfig& config, size_t i, const nn::EncoderSpec& student, const data::TileStore* store = nullptr);
/// All of them. Their models are registered below `parts`, so that they move with it.
std::vector<DistillTeacher> load_teachers(const DistillConfig& config, const nn::EncoderSpec& student, const data::TileStore* store,
                                          torch::nn::Module& parts);
std::vector<TeacherIdentity> identities_of(const std::vector<DistillTeacher>& teachers);

/// The class token where the feature is made of it, else the pooled feature; and the patches.
ClsAndPatches cls_and_patches(const nn::ImageTokens& tokens);

/// A head for each teacher, `0`, `1`, ...: one linear layer, unit length and a weight-normed linear layer whose lengths are trained too (with
/// length 1 no coordinate could pass 1).
struct ExpertHeadsImpl : torch::nn::Module {
  ExpertHeadsImpl(int64_t in_dim, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim);
  void init_weights(uint64_t seed);

  std::vector<DinoHead> each;
};
TORCH_MODULE(ExpertHeads);

/// What is trained: `backbone` and `heads`.
struct DistillNetImpl : torch::nn::Module {
  DistillNetImpl(const nn::ModelConfig& model, const std::vector<DistillTeacher>& teachers, int64_t bottleneck_dim,
                 const std::shared_ptr<Comm>& comm);
  void init_weights(uint64_t seed);

  std::shared_ptr<nn::Backbone> backbone;
  ExpertHeads heads{nullptr};
};
TORCH_MODULE(DistillNet);

/// Views: any number; every view is a sample that student and teachers see alike. Teachers get it with their own mean, std and size (bicubic,
/// antialias); their patches are resized to the student's grid.
///
/// With `cached_features` a teacher is not run: its class token of the whole tile, which `eosin embed` wrote, is every view's target. That is the
/// teacher's answer only where views show the whole tile as it is; `fixed_targets` takes it for augmented views too (Beyer et al. 2022,
/// arXiv:2106.05237, call it a fixed teacher and find it worse than one that sees what the student sees).
///
/// Teachers are frozen and not in the state; their weights' hashes are, and a resumed run must have the same teachers.
/// Parts: for each teacher `teacher<i>_cls` and `teacher<i>_patch`, weighted, which add up to the total.
/// Errors   those of nn::load_encoder; Config if a teacher cannot take its image size; Data if a resumed run's teachers are others, or the
///          features for PHI-S are too few or another model's.
/// Checked  golden ssl.feature_kd, ssl.multi_teacher, ssl.phi_s; tests/ssl/test_distill.cpp: a student that is its teacher, two ranks, resume.
class Distill final : public train::Objective<data::ViewBatch> {
 public:
  Distill(const DistillConfig& config, nn::EncoderSpec encoder, uint64_t seed, const std::shared_ptr<Comm>& comm,
          const data::TileStore* store = nullptr);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override;
  std::vector<std::string> batch_losses() const override;
  /// Tensors student.*; values "encoder": the EncoderSpec, "teachers": path and hash of each.
  State state() override;
  void load_state(const State& state) override;

 private:
  ExpertTerms compare(size_t teacher, const std::vector<Tensor>& groups_BCHW, const std::vector<ClsAndPatches>& student,
                      const std::vector<int64_t>& tiles);

  DistillConfig config_;
  nn::EncoderSpec encoder_;
  uint64_t seed_;
  std::vector<DistillTeacher> teachers_;
  DistillNet student_{nullptr};
};

}  // namespace eosin::ssl
