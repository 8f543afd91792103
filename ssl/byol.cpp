#include "ssl/byol.h"

#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/byol_loss.h"
#include "ssl/collapse.h"
#include "ssl/ema.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"
#include "ssl/teacher_schedule.h"
#include "ssl/view_pair.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

ProjectorShape projector_shape(const ByolConfig& config) {
  ProjectorShape shape;
  shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = 2;
  return shape;
}

ProjectorShape predictor_shape(const ByolConfig& config) {
  ProjectorShape shape = projector_shape(config);
  shape.in_dim = config.out_dim;
  return shape;
}

}  // namespace

void ByolConfig::visit(config::Visitor& v) {
  using config::Range;
  v("hidden_dim", hidden_dim, "width of the hidden layer of projector and predictor", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings", Range{1, 1 << 20});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on half a cosine", Range{0, 1});
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", Range{0, 1});
  LayerRates::visit(v);
}

void ByolConfig::validate(config::Problems& p) const {
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
}

Byol::Byol(const ByolConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed) {
  student_ = register_module("student", PredictingNet(encoder_.model, projector_shape(config_), predictor_shape(config_), comm));
  teacher_ = register_module("teacher", ProjectedNet(encoder_.model, projector_shape(config_), comm));
  student_->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  copy_student_to_teacher();
}

void Byol::copy_student_to_teacher() { copy_parts(*teacher_, *student_); }

double Byol::momentum(const train::Progress& progress) const {
  return momentum_at(config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

train::Loss Byol::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const std::vector<Tensor> views = view_pair(batch, "byol");
  std::vector<Tensor> targets;
  {
    const at::NoGradGuard no_grad;
    targets = teacher_->project(teacher_->features(views), 2);
  }
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const std::vector<Tensor> predictions = student_->predict(student_->features(views, drop_path), 2);
  train::Loss loss;
  loss.total = byol_loss(predictions[0], predictions[1], targets[0], targets[1]);
  loss.parts.emplace_back("byol", loss.total.detach());
  if (progress.log_step) loss.parts.push_back(embedding_spread(targets[0]));
  return loss;
}

std::vector<train::MovingAverage> Byol::averages() { return optim::follow(teacher_->followed(), student_->followed()); }

std::vector<train::ParamGroup> Byol::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

std::vector<std::pair<std::string, double>> Byol::schedule_values(const train::Progress& progress) const {
  return {{"momentum", momentum(progress)}};
}

State Byol::state() { return method_state(*this, encoder_); }

void Byol::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
