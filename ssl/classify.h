#pragma once
// Supervised training of an encoder on the classes of tiles: from nothing, fine-tuning, or a linear layer on a frozen encoder.
#include "core/tensor/comm.h"
#include "data/batch.h"
#include "data/labelled_source.h"
#include "ssl/classifier_net.h"
#include "ssl/mixing.h"
#include "train/objective.h"

#include <memory>
#include <string>
#include <vector>

namespace eosin::ssl {

struct ClassifyConfig {
  std::string pooling = "auto";
  bool freeze_backbone = false;
  double label_smoothing = 0.1;
  double balance = 0;
  std::vector<double> class_weights;
  MixConfig mix;
  double layer_decay = 1.0;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// The encoder whose feature is pooled as a config says it: auto (its own), cls, mean_patch, or cls_mean (both side by side).
///
/// Errors   Config if another than auto is asked of one that is no vision transformer.
nn::EncoderSpec pooled_by(const std::string& pooling, nn::EncoderSpec encoder);

/// What a sample of each class counts: as given, else (tiles / (classes * its tiles))^balance, made to be 1 in the mean over the tiles.
/// Undefined where all count alike.
///
/// Errors   Config if the given weights are not one for each class (names the classes).
Tensor class_weights(const ClassifyConfig& config, const data::ClassList& classes);

/// Views: any number; each is a sample of its tile's class. Cross-entropy of a linear head on the encoder's feature
/// (ssl/classification_loss.h), with DeiT's regularisation (Touvron et al. 2021, arXiv:2012.12877) as the config has it.
///
/// `freeze_backbone`: the encoder stays as it is, and learns neither by gradients nor by stochastic depth.
/// Logged beside the loss: accuracy of the step's samples.
/// Errors   those of labelled_views and class_weights; Data if a resumed run has other classes.
/// Checked  tests/ssl/test_classify.cpp: two ranks equal one process, resume, a frozen encoder.
class Classify final : public train::Objective<data::ViewBatch> {
 public:
  Classify(const ClassifyConfig& config, nn::EncoderSpec encoder, data::ClassList classes, uint64_t seed, const std::shared_ptr<Comm>& comm);

  nn::Backbone& student_backbone() { return *student_->backbone; }

  train::Loss forward(const data::ViewBatch& batch, const train::Progress& progress) override;
  std::vector<train::ParamGroup> param_groups() override { return student_->param_groups(config_.layer_decay); }
  std::vector<std::string> batch_losses() const override { return config_.freeze_backbone ? std::vector<std::string>{} : student_->batch_losses(); }
  /// Tensors student.{backbone,head}.*; values "encoder": the EncoderSpec, "classes": their names.
  State state() override;
  void load_state(const State& state) override;

 private:
  ClassifyConfig config_;
  nn::EncoderSpec encoder_;
  data::ClassList classes_;
  uint64_t seed_;
  Tensor weight_C_;
  ClassifierNet student_{nullptr};
};

/// Refuses a state whose classes are not these.
void check_classes(const State& state, const data::ClassList& classes, const char* method);

}  // namespace eosin::ssl
