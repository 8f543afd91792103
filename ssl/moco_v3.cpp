#include "ssl/moco_v3.h"

#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/collapse.h"
#include "ssl/ema.h"
#include "ssl/method_state.h"
#include "ssl/moco_v3_loss.h"
#include "ssl/student_groups.h"
#include "ssl/teacher_schedule.h"
#include "ssl/view_pair.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

ProjectorShape shape_of(const MocoV3Config& config, int64_t in_dim, int64_t layers) {
  ProjectorShape shape;
  shape.in_dim = in_dim, shape.hidden_dim = config.hidden_dim, shape.out_dim = config.out_dim, shape.layers = layers;
  shape.last_norm = ProjectorShape::LastNorm::kPlain;
  return shape;
}

}  // namespace

void MocoV3Config::visit(config::Visitor& v) {
  using config::Range;
  v("hidden_dim", hidden_dim, "width of the hidden layer of projector and predictor", Range{1, 1 << 20});
  v("out_dim", out_dim, "width of the embeddings", Range{1, 1 << 20});
  v("temperature", temperature, "of the softmax over cosines", Range{0, 10, config::kOpenLow});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on half a cosine", Range{0, 1});
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", Range{0, 1});
  v("freeze_patch_embed", freeze_patch_embed,
    "keep the patch convolution of a transformer as it starts; a ResNet or ConvNeXt has none and is not held");
  LayerRates::visit(v);
}

void MocoV3Config::validate(config::Problems& p) const {
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
}

MocoV3::MocoV3(const MocoV3Config& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  const ProjectorShape projector = shape_of(config_, nn::feature_dim(encoder_.model), 3), predictor = shape_of(config_, config_.out_dim, 2);
  student_ = register_module("student", PredictingNet(encoder_.model, projector, predictor, comm_));
  teacher_ = register_module("teacher", ProjectedNet(encoder_.model, projector, comm_));
  student_->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  if (config_.freeze_patch_embed)
    for (const auto& item : student_->backbone->named_parameters())
      if (item.key().starts_with("patch_embed.")) item.value().set_requires_grad(false);
  copy_student_to_teacher();
}

void MocoV3::copy_student_to_teacher() { copy_parts(*teacher_, *student_); }

double MocoV3::momentum(const train::Progress& progress) const {
  return momentum_at(config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

train::Loss MocoV3::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const std::vector<Tensor> views = view_pair(batch, "moco_v3");
  std::vector<Tensor> keys;
  {
    const at::NoGradGuard no_grad;
    for (const Tensor& mine : teacher_->project(teacher_->features(views), 2)) keys.push_back(comm_->all_gather(mine));
  }
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const std::vector<Tensor> queries = student_->predict(student_->features(views, drop_path), 2);
  train::Loss loss;
  loss.total = moco_v3_loss(queries[0], queries[1], keys[0], keys[1], config_.temperature, comm_->rank() * queries[0].size(0));
  loss.parts.emplace_back("moco_v3", loss.total.detach());
  if (progress.log_step) loss.parts.push_back(embedding_spread(keys[0]));
  return loss;
}

std::vector<train::MovingAverage> MocoV3::averages() { return optim::follow(teacher_->followed(), student_->followed()); }

std::vector<train::ParamGroup> MocoV3::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

std::vector<std::pair<std::string, double>> MocoV3::schedule_values(const train::Progress& progress) const {
  return {{"momentum", momentum(progress)}};
}

State MocoV3::state() { return method_state(*this, encoder_); }

void MocoV3::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
