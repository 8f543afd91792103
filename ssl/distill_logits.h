#pragma once
// Supervised training beside a teacher that knows the classes: Hinton's soft labels, DeiT's distillation token.
#include "core/nn/classifier.h"
#include "data/batch.h"
#include "data/labelled_source.h"
#include "ssl/classifier_net.h"
#include "ssl/logit_kd.h"
#include "ssl/mixing.h"
#include "ssl/teacher_identity.h"
#include "ssl/teacher_view.h"
#include "train/objective.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::ssl {

struct DistillLogitsConfig {
  std::string teacher;
  int64_t teacher_size_px = 0;
  std::vector<double> teacher_mean, teacher_std;
  bool distillation_token = true;
  std::string targets = "hard";
  double alpha = 0.5, temperature = 1.0, label_smoothing = 0.1;
  std::string pooling = "auto";
  MixConfig mix;
  double layer_decay = 1.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// Views: any number; each is a sample of its tile's class, and the teacher sees what the student sees, mixed pictures too, with its own mean,
/// deviation and size. The teacher is any encoder with a classification head (nn::load_classifier): a convolutional network too.
///
/// With the distillation token deit_loss: that token's head follows the teacher, the class token's the labels. Without it hinton_kd_loss: one head
/// follows both. The teacher is frozen and not in the state; the hash of its weights is, and a resumed run must have the same.
/// Logged beside the loss: accuracy of the prediction (the mean of both heads) and of the teacher.
/// Errors   those of labelled_views and nn::load_classifier; Config if the teacher has other classes; Data if a resumed run has.
/// Checked  golden ssl.kd_hinton, ssl.deit_distill; tests/ssl/test_distill_logits.cpp: two ranks equal one process, resume.
class DistillLogits final : public train::Objective<data::ViewBatch> {
 public:
  DistillLogits(const DistillLogitsConfig& config, nn::EncoderSpec encoder, data::ClassList classes, uint64_t seed,
                const std::shared_ptr<Comm>& comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override { return student_->param_groups(config_.layer_decay); }
  std::vector<std::string> batch_losses() const override { return student_->batch_losses(); }
  /// Tensors student.{backbone,head,head_dist}.*; values "encoder", "classes", "teachers".
  State state() override;
  void load_state(const State& state) override;

 private:
  Tensor teacher_logits(const std::vector<Tensor>& groups_BCHW);
  Tensor distance(const ClassLogits& student, const Tensor& teacher_NC, const Tensor& labels) const;
  TeacherIdentity identity() const { return {config_.teacher, teacher_.weights_hash}; }

  DistillLogitsConfig config_;
  nn::EncoderSpec encoder_;
  data::ClassList classes_;
  uint64_t seed_;
  nn::Classifier teacher_;
  TeacherView view_;
  ClassifierNet student_{nullptr};
};

}  // namespace eosin::ssl
