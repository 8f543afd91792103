#include "ssl/classify.h"

#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/classification_loss.h"
#include "ssl/labelled_views.h"
#include "ssl/method_state.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::ssl {

void ClassifyConfig::visit(config::Visitor& v) {
  using config::Range;
  v("pooling", pooling, "the encoder's feature: its own, its class token, the mean of its patches, or both",
    config::OneOf{{"auto", "cls", "mean_patch", "cls_mean"}});
  v("freeze_backbone", freeze_backbone, "train the linear head alone");
  v("label_smoothing", label_smoothing, "share of a label that is spread over all classes", Range{0, 1, config::kOpenHigh});
  v("balance", balance, "classes weigh as their number of tiles to the power of minus this: 0 alike, 1 by inverse frequency", Range{0, 1});
  v("class_weights", class_weights, "weights of the classes in the order of their names; empty: as balance says", Range{0, 1e6, config::kOpenLow},
    config::Length{0, 65536});
  mix.visit(v);
  v("layer_decay", layer_decay, "learning rate factor from a block to the one below; 1: the same everywhere", Range{0, 1, config::kOpenLow});
}

void ClassifyConfig::validate(config::Problems& p) const {
  if (!class_weights.empty() && balance > 0) p.add("balance", "class_weights are given; set balance to 0 or leave them out");
  if (freeze_backbone && layer_decay < 1) p.add("layer_decay", "is for a backbone that is trained, and this one is frozen; set it to 1");
}

nn::EncoderSpec pooled_by(const std::string& pooling, nn::EncoderSpec encoder) {
  if (pooling == "auto") return encoder;
  encoder.vit().global_pool = pooling == "cls" ? "token" : pooling == "mean_patch" ? "avg" : "token_avg";
  return encoder;
}

Tensor class_weights(const ClassifyConfig& config, const data::ClassList& classes) {
  if (config.class_weights.empty() && config.balance == 0) return {};
  EOSIN_CHECK(config.class_weights.empty() || std::ssize(config.class_weights) == classes.size(), Config,
              "[method.class_weights] {} weights for {} classes: {}", config.class_weights.size(), classes.size(), fmt::join(classes.names, ", "));
  const Tensor tiles = at::tensor(classes.tiles, at::kLong).to(at::kDouble);
  const Tensor raw = config.class_weights.empty() ? tiles.clamp_min(1).pow(-config.balance) : at::tensor(config.class_weights, at::kDouble);
  return raw * (tiles.sum() / raw.dot(tiles));
}

void check_classes(const State& state, const data::ClassList& classes, const char* method) {
  const auto before = state.values.value("classes", std::vector<std::string>());
  EOSIN_CHECK(before == classes.names, Data, "[{}] the run began with the classes {} (now {}); train on the labels that it began with", method,
              fmt::join(before, ", "), fmt::join(classes.names, ", "));
}

Classify::Classify(const ClassifyConfig& config, nn::EncoderSpec encoder, data::ClassList classes, uint64_t seed, const std::shared_ptr<Comm>& comm)
    : config_(config), encoder_(pooled_by(config.pooling, std::move(encoder))), classes_(std::move(classes)), seed_(seed) {
  EOSIN_CHECK(classes_.size() >= 2, Config, "[classify] {} classes are known (need at least 2); name their column as data.labels.column",
              classes_.size());
  weight_C_ = class_weights(config_, classes_);
  student_ = register_module("student", ClassifierNet(encoder_.model, classes_.size(), /*distillation_token=*/false, comm));
  student_->init_weights(seed_);
  if (!config_.freeze_backbone) return;
  for (Tensor& p : student_->backbone->parameters()) p.set_requires_grad(false);
}

train::Loss Classify::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const LabelledViews views = labelled_views(batch, classes_.size(), config_.mix, seed_, "classify");
  std::optional<nn::DropPathKey> drop_path;
  if (config_.freeze_backbone)
    student_->backbone->eval();  // statistics of batch norms, too
  else
    drop_path = nn::DropPathKey{seed_, static_cast<uint64_t>(batch.first_position)};
  const Tensor logits = student_->forward(views.groups_BCHW, drop_path).cls_NC;
  train::Loss loss;
  loss.total = classification_loss(logits, views.labels, config_.label_smoothing, weight_C_);
  if (progress.log_step) loss.parts.emplace_back("accuracy", accuracy(logits, views.labels));
  return loss;
}

State Classify::state() {
  State state = method_state(*this, encoder_);
  state.values["classes"] = classes_.names;
  return state;
}

void Classify::load_state(const State& state) {
  check_classes(state, classes_, "classify");
  nn::load_weights(*this, state.tensors);
}

}  // namespace eosin::ssl
