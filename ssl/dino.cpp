#include "ssl/dino.h"

#include "core/base/error.h"
#include "core/nn/batch_norm.h"
#include "core/nn/weights.h"
#include "ssl/collapse.h"
#include "ssl/crop_groups.h"
#include "ssl/ema.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"
#include "ssl/teacher_schedule.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr int64_t kTeacherCrops = 2;

DinoHeadShape head_shape(const DinoConfig& config, int64_t in_dim) {
  DinoHeadShape shape;
  shape.in_dim = in_dim;
  shape.hidden_dim = config.hidden_dim;
  shape.bottleneck_dim = config.bottleneck_dim;
  shape.n_prototypes = config.n_prototypes;
  shape.use_bn = config.use_bn;
  shape.freeze_g = config.norm_last_layer;
  return shape;
}

}  // namespace

void DinoConfig::visit(config::Visitor& v) {
  using config::Range;
  v("n_prototypes", n_prototypes, "outputs of the head", Range{2, 1 << 24});
  v("hidden_dim", hidden_dim, "width of the head's hidden layers", Range{1, 1 << 20});
  v("bottleneck_dim", bottleneck_dim, "width before the prototypes", Range{1, 1 << 20});
  v("use_bn", use_bn, "batch norm in the head (statistics of each rank's batch)");
  v("norm_last_layer", norm_last_layer, "keep the prototypes at length 1; off may help large models and harm stability");
  v("student_temp", student_temp, "temperature of the student's softmax", Range{0, 10, config::kOpenLow});
  v("teacher_temp", teacher_temp, "temperature of the teacher's softmax after its warm-up", Range{0, 10, config::kOpenLow});
  v("warmup_teacher_temp", warmup_teacher_temp, "temperature of the teacher's softmax at the first step", Range{0, 10, config::kOpenLow});
  v("warmup_teacher_temp_steps", warmup_teacher_temp_steps, "steps of the linear warm-up of the teacher's temperature", Range{0, 1e12});
  v("teacher_temp_hold_steps", teacher_temp_hold_steps, "steps for which a temperature of the warm-up is held (DINO: an epoch)", Range{1, 1e12});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on half a cosine", Range{0, 1});
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", Range{0, 1});
  v("center_momentum", center_momentum, "of the centre's moving average", Range{0, 1});
  LayerRates::visit(v);
}

void DinoConfig::validate(config::Problems& p) const {
  if (warmup_teacher_temp_steps % teacher_temp_hold_steps != 0)
    p.add("teacher_temp_hold_steps",
          fmt::format("{} does not divide warmup_teacher_temp_steps {}", teacher_temp_hold_steps, warmup_teacher_temp_steps));
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
}

DinoNetImpl::DinoNetImpl(const nn::ModelConfig& model, const DinoHeadShape& shape, const std::shared_ptr<Comm>& comm)
    : backbone(register_module("backbone", nn::make_backbone(model, comm))), head(register_module("head", DinoHead(shape))) {}

Tensor DinoNetImpl::forward(const std::vector<Tensor>& groups_BCHW, const std::optional<nn::DropPathKey>& drop_path) {
  const std::vector<Tensor> features = backbone->forward_features(groups_BCHW, drop_path);
  return features.size() == 1 ? features.front() : at::cat(features, 0);
}

Dino::Dino(const DinoConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config),
      encoder_(std::move(encoder)),
      seed_(seed),
      comm_(std::move(comm)),
      center_(register_buffer("center", at::zeros({1, config.n_prototypes})), config.center_momentum) {
  const DinoHeadShape shape = head_shape(config_, nn::feature_dim(encoder_.model));
  student_ = register_module("student", DinoNet(encoder_.model, shape, comm_));
  teacher_ = register_module("teacher", DinoNet(encoder_.model, shape, comm_));
  student_->backbone->init_weights(seed_);
  student_->head->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  copy_student_to_teacher();
}

void Dino::copy_student_to_teacher() { copy_parts(*teacher_, *student_); }

double Dino::teacher_temp(const train::Progress& progress) const {
  return temperature_at({config_.warmup_teacher_temp, config_.teacher_temp, config_.warmup_teacher_temp_steps, config_.teacher_temp_hold_steps},
                        progress.step);
}

double Dino::momentum(const train::Progress& progress) const {
  return momentum_at(config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

train::Loss Dino::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const auto crops = static_cast<int64_t>(batch.views_BCHW.size());
  EOSIN_CHECK(crops >= kTeacherCrops, Shape, "[dino] a batch has {} views (need at least {} global crops)", crops, kTeacherCrops);
  SoftTargets targets;
  {
    const at::NoGradGuard no_grad;
    const std::vector<Tensor> global(batch.views_BCHW.begin(), batch.views_BCHW.begin() + kTeacherCrops);
    const Tensor points = teacher_->head->project(teacher_->forward(group_by_size(global))), prototypes = teacher_->head->prototypes();
    targets = centred_targets(points, prototypes, center_.value(), teacher_temp(progress));
    center_.observe(points, prototypes, progress.micro == 0);
  }
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  train::Loss loss;
  const Tensor points = student_->head->project(student_->forward(group_by_size(batch.views_BCHW), drop_path));
  loss.total = dino_loss(points, student_->head->prototypes(), targets, crops, kTeacherCrops, config_.student_temp);
  loss.parts.emplace_back("dino", loss.total.detach());
  if (progress.log_step)
    for (auto& part : collapse_measures(targets)) loss.parts.push_back(std::move(part));
  return loss;
}

void Dino::after_update(const train::Progress&) { center_.update(*comm_); }

std::vector<train::MovingAverage> Dino::averages() { return optim::follow(teacher_->parameters(), student_->parameters()); }

std::vector<train::ParamGroup> Dino::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

std::vector<std::pair<std::string, double>> Dino::schedule_values(const train::Progress& progress) const {
  return {{"momentum", momentum(progress)}, {"teacher_temp", teacher_temp(progress)}};
}

std::vector<std::string> Dino::batch_losses() const {
  return nn::has_batch_norm(*student_->backbone) ? std::vector<std::string>{"batch norm"} : std::vector<std::string>{};
}

State Dino::state() { return method_state(*this, encoder_); }

void Dino::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
