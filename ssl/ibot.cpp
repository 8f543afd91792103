#include "ssl/ibot.h"

#include "core/base/error.h"
#include "core/nn/weights.h"
#include "ssl/collapse.h"
#include "ssl/masked_crops.h"
#include "ssl/method_state.h"
#include "ssl/student_groups.h"
#include "ssl/teacher_schedule.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr int64_t kGlobalCrops = 2;

DinoHeadShape head_shape(const IbotConfig& config, int64_t in_dim) {
  DinoHeadShape shape;
  shape.in_dim = in_dim;
  shape.hidden_dim = config.hidden_dim;
  shape.bottleneck_dim = config.bottleneck_dim;
  shape.n_prototypes = config.n_prototypes;
  shape.freeze_g = config.norm_last_layer;
  return shape;
}

}  // namespace

void IbotConfig::visit(config::Visitor& v) {
  using config::Range;
  const Range positive{0, 10, config::kOpenLow}, share{0, 1}, weight{0, 1e6}, width{1, 1 << 20};
  v("n_prototypes", n_prototypes, "outputs of the head", Range{2, 1 << 24});
  v("hidden_dim", hidden_dim, "width of the head's hidden layers", width);
  v("bottleneck_dim", bottleneck_dim, "width before the prototypes", width);
  v("norm_last_layer", norm_last_layer, "keep the prototypes at length 1");
  v("student_temp", student_temp, "temperature of the student's softmax", positive);
  v("teacher_temp", teacher_temp, "temperature of the teacher's class targets after its warm-up", positive);
  v("warmup_teacher_temp", warmup_teacher_temp, "the same at the first step", positive);
  v("teacher_patch_temp", teacher_patch_temp, "temperature of the teacher's patch targets after its warm-up", positive);
  v("warmup_teacher_patch_temp", warmup_teacher_patch_temp, "the same at the first step", positive);
  v("warmup_teacher_temp_steps", warmup_teacher_temp_steps, "steps of the linear warm-up of the teacher's temperatures", Range{0, 1e12});
  v("teacher_temp_hold_steps", teacher_temp_hold_steps, "steps for which temperatures of the warm-up are held (iBOT: an epoch)", Range{1, 1e12});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on half a cosine", share);
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", share);
  v("center_momentum", center_momentum, "of the moving average of the class tokens' centre", share);
  v("patch_center_momentum", patch_center_momentum, "of the moving average of the patches' centre", share);
  v("mask_probability", mask_probability, "chance of a global crop to be masked", share);
  v("mask_ratio", mask_ratio, "share of a masked crop's patches: low, high", Range{0, 1, config::kOpenHigh}, config::Length{2, 2});
  v("cls_weight", cls_weight, "weight of the class tokens' cross-entropy", weight);
  v("patch_weight", patch_weight, "weight of the masked patches' cross-entropy", weight);
  LayerRates::visit(v);
}

void IbotConfig::validate(config::Problems& p) const {
  if (warmup_teacher_temp_steps % teacher_temp_hold_steps != 0)
    p.add("teacher_temp_hold_steps",
          fmt::format("{} does not divide warmup_teacher_temp_steps {}", teacher_temp_hold_steps, warmup_teacher_temp_steps));
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
  if (mask_ratio[0] > mask_ratio[1]) p.add("mask_ratio", fmt::format("low is above high (got [{}, {}])", mask_ratio[0], mask_ratio[1]));
  if (patch_weight > 0 && mask_probability == 0) p.add("patch_weight", "no crop is masked (mask_probability 0); set patch_weight to 0 too");
}

Ibot::Ibot(const IbotConfig& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config),
      encoder_(std::move(encoder)),
      seed_(seed),
      comm_(std::move(comm)),
      centers_{{register_buffer("center", at::zeros({1, config.n_prototypes})), config.center_momentum},
               {register_buffer("patch_center", at::zeros({1, config.n_prototypes})), config.patch_center_momentum}} {
  encoder_.vit().mask_token = true;
  const DinoHeadShape shape = head_shape(config_, nn::token_dim(encoder_.model));
  student_ = register_module("student", DinoNet(encoder_.model, shape, comm_));
  teacher_ = register_module("teacher", DinoNet(encoder_.model, shape, comm_));
  student_->backbone->init_weights(seed_);
  student_->head->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  copy_student_to_teacher();
}

void Ibot::copy_student_to_teacher() {
  const at::NoGradGuard no_grad;
  at::_foreach_copy_(teacher_->parameters(), student_->parameters());
}

double Ibot::teacher_temp(int64_t step) const {
  return temperature_at({config_.warmup_teacher_temp, config_.teacher_temp, config_.warmup_teacher_temp_steps, config_.teacher_temp_hold_steps},
                        step);
}

double Ibot::teacher_patch_temp(int64_t step) const {
  return temperature_at(
      {config_.warmup_teacher_patch_temp, config_.teacher_patch_temp, config_.warmup_teacher_temp_steps, config_.teacher_temp_hold_steps}, step);
}

double Ibot::momentum(const train::Progress& progress) const {
  return momentum_at(config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

PatchMasks Ibot::masks(const data::ViewBatch& batch) const {
  if (batch.masks_BN.defined()) return patch_masks(batch.masks_BN);
  const Tensor& view = batch.views_BCHW.front();
  const BlockMaskShape blocks = ibot_blocks(grid_of(view, encoder_.vit().patch_size));
  std::vector<Tensor> masks;
  for (int64_t crop = 0; crop < kGlobalCrops; ++crop)
    for (int64_t i = 0; i < view.size(0); ++i) {
      const RandomStream stream(seed_, static_cast<uint64_t>(batch.first_position + i), static_cast<uint32_t>(crop), RandomOp::kMask);
      masks.push_back(draw_crop_mask(blocks, {config_.mask_probability, config_.mask_ratio}, stream).flatten());
    }
  return to_device(patch_masks(at::stack(masks)), view.device());
}

IbotTargets Ibot::teach(const Tensor& global_BCHW, const PatchMasks& masks, const train::Progress& progress) {
  const at::NoGradGuard no_grad;
  nn::Vit backbone = nn::as_vit(teacher_->backbone);
  const Tensor tokens = backbone->forward_tokens(global_BCHW);
  const Tensor prototypes = teacher_->head->prototypes(), cls = teacher_->head->project(backbone->class_tokens(tokens));
  const Tensor patches = teacher_->head->project(backbone->patch_tokens(tokens).flatten(0, 1));
  const IbotTeacherTemps temps{teacher_temp(progress.step), teacher_patch_temp(progress.step)};
  return ibot_targets(cls, patches, prototypes, masks, temps, centers_, progress.micro == 0);
}

train::Loss Ibot::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  const std::vector<Tensor> groups = masked_crop_groups(batch.views_BCHW, "ibot");
  const PatchMasks masked = masks(batch);
  const IbotTargets targets = teach(groups.front(), masked, progress);

  nn::Vit backbone = nn::as_vit(student_->backbone);
  const nn::DropPathKey drop_path{seed_, static_cast<uint64_t>(batch.first_position)};
  const std::vector<Tensor> tokens = forward_tokens(backbone, groups, masked_pass(masked, groups.size(), drop_path));
  DinoHead& head = student_->head;
  const Tensor cls = head->project(class_tokens(backbone, tokens)), patches = head->project(masked_patches(backbone, tokens.front(), masked));
  const auto crops = static_cast<int64_t>(batch.views_BCHW.size());
  const IbotLossOptions options{crops, kGlobalCrops, config_.student_temp, config_.cls_weight, config_.patch_weight};
  const IbotTerms terms = ibot_loss(cls, patches, head->prototypes(), targets, masked, options);
  train::Loss loss;
  loss.total = terms.total();
  loss.parts = {{"cls", terms.cls.detach()}, {"patch", terms.patch.detach()}};
  if (progress.log_step)
    for (auto& part : collapse_measures(targets.cls)) loss.parts.push_back(std::move(part));
  return loss;
}

void Ibot::after_update(const train::Progress&) { centers_.update(*comm_); }

std::vector<train::MovingAverage> Ibot::averages() { return optim::follow(teacher_->parameters(), student_->parameters()); }

std::vector<train::ParamGroup> Ibot::param_groups() { return student_groups(*student_, dino_rules(config_, encoder_.model)); }

std::vector<std::pair<std::string, double>> Ibot::schedule_values(const train::Progress& progress) const {
  return {{"momentum", momentum(progress)}, {"teacher_temp", teacher_temp(progress.step)}, {"teacher_patch_temp", teacher_patch_temp(progress.step)}};
}

State Ibot::state() { return method_state(*this, encoder_); }

void Ibot::load_state(const State& state) { nn::load_weights(*this, state.tensors); }

}  // namespace eosin::ssl
