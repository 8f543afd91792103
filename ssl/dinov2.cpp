#include "ssl/dinov2.h"

#include "core/base/error.h"
#include "core/base/rng.h"
#include "core/nn/weights.h"
#include "core/tensor/gather.h"
#include "ssl/collapse.h"
#include "ssl/frozen_dinov2.h"
#include "ssl/gram.h"
#include "ssl/ibot_loss.h"
#include "ssl/kde.h"
#include "ssl/koleo.h"
#include "ssl/masked_crops.h"
#include "ssl/method_state.h"
#include "ssl/resize_tokens.h"
#include "ssl/student_groups.h"
#include "ssl/teacher_schedule.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr int64_t kGlobalCrops = 2;
const std::string kFrozen = "frozen_teacher.";  // of the names of its weights, which no state holds
constexpr double kDuplicate = 1e-4;             // nearer class tokens are those of one tile twice: KoLeo leaves them out

/// The second half of the rows, then the first.
Tensor swapped(const Tensor& rows_ND) { return rows_ND.roll(rows_ND.size(0) / 2, 0); }

void add_part(train::Loss& loss, const char* name, const Tensor& term) {
  loss.total = loss.total.defined() ? loss.total + term : term;
  loss.parts.emplace_back(name, term.detach());
}

}  // namespace

void Dinov2Config::visit(config::Visitor& v) {
  using config::Length;
  using config::OneOf;
  using config::Range;
  const Range positive{0, 10, config::kOpenLow}, weight{0, 1e6}, share{0, 1}, width{1, 1 << 20}, prototypes{2, 1 << 24};
  v("n_prototypes", n_prototypes, "outputs of the head of class tokens", prototypes);
  v("hidden_dim", hidden_dim, "width of its hidden layers", width);
  v("bottleneck_dim", bottleneck_dim, "width before its prototypes", width);
  v("separate_heads", separate_heads, "a head of their own for patches; else the class tokens' head serves both");
  v("ibot_n_prototypes", ibot_n_prototypes, "outputs of the patches' own head; absent: as n_prototypes", prototypes);
  v("ibot_hidden_dim", ibot_hidden_dim, "width of its hidden layers; absent: as hidden_dim", width);
  v("ibot_bottleneck_dim", ibot_bottleneck_dim, "width before its prototypes; absent: as bottleneck_dim", width);
  v("norm_last_layer", norm_last_layer, "keep the prototypes at length 1; DINOv2 trains their lengths");
  v("plain_heads", plain_heads, "prototypes are a plain linear layer, whose lengths are free (DINOv3); norm_last_layer means nothing then");
  v("centering", centering, "how the teacher's logits become targets", OneOf{{"sinkhorn_knopp", "centering"}});
  v("sinkhorn_iterations", sinkhorn_iterations, "rounds of Sinkhorn-Knopp", Range{1, 100});
  v("center_momentum", center_momentum, "of the centres' moving averages", share);
  v("student_temp", student_temp, "temperature of the student's softmax", positive);
  v("teacher_temp", teacher_temp, "temperature of the teacher's targets after its warm-up", positive);
  v("warmup_teacher_temp", warmup_teacher_temp, "temperature of the teacher's targets at the first step of its warm-up", positive);
  v("warmup_teacher_temp_steps", warmup_teacher_temp_steps, "steps of the linear warm-up of the teacher's temperature", Range{0, 1e12});
  v("momentum", momentum, "of the teacher's moving average at the first step; rises to momentum_end on half a cosine", share);
  v("momentum_end", momentum_end, "of the teacher's moving average at the end", share);
  v("mask_probability", mask_probability, "share of the global crops that are masked", share);
  v("mask_ratio", mask_ratio, "share of a masked crop's patches: low, high", Range{0, 1, config::kOpenHigh}, Length{2, 2});
  v("mask_complete", mask_complete, "top masks up with single patches to the exact share (DINOv3); else blocks alone, which leave some");
  v("dino_weight", dino_weight, "weight of the class tokens' cross-entropy", weight);
  v("ibot_weight", ibot_weight, "weight of the masked patches' cross-entropy", weight);
  v("koleo_weight", koleo_weight, "weight of KoLeo", weight);
  v("koleo_topk", koleo_topk, "nearest neighbours that KoLeo pushes away", Range{1, 1024});
  v("kde_weight", kde_weight, "weight of the kernel density regulariser, which small batches bear better than KoLeo", weight);
  v("kde_kappa", kde_kappa, "sharpness of its kernel", Range{0, 1e4, config::kOpenLow});
  v("gram_weight", gram_weight, "weight of Gram anchoring (DINOv3: 2, late in training)", weight);
  v("gram_start_step", gram_start_step, "step from which on it counts; then its teacher is copied", Range{0, 1e12});
  v("gram_refresh_steps", gram_refresh_steps, "steps between two copies of its teacher", Range{1, 1e12});
  v("layer_decay", layer_decay, "learning rate factor from a block to the one below; 1: the same everywhere", Range{0, 1, config::kOpenLow});
  v("patch_embed_lr_mult", patch_embed_lr_mult, "learning rate factor of the patch embedding", share);
  v("patch_sizes", patch_sizes, "sides of patches of which each step draws one (FlexiViT); empty: the model's alone", Range{1, 256}, Length{0, 16});
  v("reconstruction", reconstruction, "pixels of removed patches, beside the other losses");
  v("frozen_teacher", frozen_teacher,
    "a run of dinov2 whose teacher makes the targets, to distil it into this student; empty: the student's average");
}

void Dinov2Config::validate(config::Problems& p) const {
  if (mask_ratio[0] > mask_ratio[1]) p.add("mask_ratio", fmt::format("low is above high (got [{}, {}])", mask_ratio[0], mask_ratio[1]));
  if (momentum > momentum_end) p.add("momentum", fmt::format("{} is above momentum_end {}", momentum, momentum_end));
  if (!separate_heads && (ibot_n_prototypes || ibot_hidden_dim || ibot_bottleneck_dim))
    p.add("separate_heads",
          "the sizes of the patches' head are given (ibot_*), but patches share the class tokens' head; set it to true or leave them out");
  if (!frozen_teacher.empty() && mask_probability > 0)
    p.add("mask_probability", fmt::format("{} beside a frozen teacher, whose student sees whole crops (need 0)", mask_probability));
  if (!frozen_teacher.empty() && gram_weight > 0) p.add("gram_weight", "the teacher is frozen and needs no anchor; set it to 0");
  if (!frozen_teacher.empty() && !patch_sizes.empty()) p.add("patch_sizes", "the frozen teacher's patches have one size; leave them out");
  if (ibot_weight > 0 && mask_probability == 0 && frozen_teacher.empty())
    p.add("ibot_weight", "no crop is masked (mask_probability 0); set ibot_weight to 0 too");
  if (separate_heads && ibot_weight == 0) p.add("separate_heads", "the patches' own head would learn nothing (ibot_weight is 0); set it to false");
  if (dino_weight == 0 && ibot_weight == 0) p.add("dino_weight", "dino_weight and ibot_weight are both 0: nothing is learnt");
}

Dinov2Config::LeastBatch Dinov2Config::least_batch() const {
  if (koleo_weight > 0) return {koleo_topk + 1, "koleo", "set its weight to 0"};
  if (kde_weight > 0) return {2, "kde", "set its weight to 0"};
  if (centering == "sinkhorn_knopp") return {2, "sinkhorn_knopp", "set method.centering to centering"};
  return {};
}

DinoHeadShape Dinov2Config::dino_head(int64_t in_dim) const {
  DinoHeadShape shape;
  shape.in_dim = in_dim;
  shape.hidden_dim = hidden_dim;
  shape.bottleneck_dim = bottleneck_dim;
  shape.n_prototypes = n_prototypes;
  shape.freeze_g = norm_last_layer;
  shape.weight_norm = !plain_heads;
  return shape;
}

DinoHeadShape Dinov2Config::ibot_head(int64_t in_dim) const {
  DinoHeadShape shape = dino_head(in_dim);
  shape.hidden_dim = ibot_hidden_dim.value_or(hidden_dim);
  shape.bottleneck_dim = ibot_bottleneck_dim.value_or(bottleneck_dim);
  shape.n_prototypes = ibot_n_prototypes.value_or(n_prototypes);
  return shape;
}

Dinov2NetImpl::Dinov2NetImpl(const nn::VitConfig& vit, const Dinov2Config& config)
    : backbone(register_module("backbone", nn::Vit(vit))), dino_head(register_module("dino_head", DinoHead(config.dino_head(vit.embed_dim)))) {
  if (config.separate_heads) ibot_head = register_module("ibot_head", DinoHead(config.ibot_head(vit.embed_dim)));
}

void Dinov2NetImpl::init_weights(uint64_t seed) {
  backbone->init_weights(seed);
  dino_head->init_weights(seed, "dino_head");
  if (!ibot_head.is_empty()) ibot_head->init_weights(seed, "ibot_head");
}

Dinov2::Dinov2(const Dinov2Config& config, nn::EncoderSpec encoder, uint64_t seed, std::shared_ptr<Comm> comm)
    : config_(config), encoder_(std::move(encoder)), seed_(seed), comm_(std::move(comm)) {
  encoder_.vit().mask_token = config_.frozen_teacher.empty();  // beside a frozen teacher nothing is masked
  student_ = register_module("student", Dinov2Net(encoder_.vit(), config_));
  teacher_ = register_module("teacher", Dinov2Net(encoder_.vit(), config_));
  if (config_.gram_weight > 0) {
    gram_teacher_ = register_module("gram_teacher", nn::Vit(encoder_.vit()));
    for (Tensor& p : gram_teacher_->parameters()) p.set_requires_grad(false);
  }
  if (config_.reconstruction.weight > 0) {
    reconstruction_ = register_module("reconstruction", Reconstruction(config_.reconstruction, encoder_.vit()));
    reconstruction_->init_weights(seed_);
  }
  if (!config_.frozen_teacher.empty()) {
    frozen_ = std::make_shared<FrozenDinov2>(load_frozen_dinov2(config_.frozen_teacher, config_, encoder_));
    register_module("frozen_teacher", frozen_->net.ptr());  // so that it moves with the objective
  }
  student_->init_weights(seed_);
  for (Tensor& p : teacher_->parameters()) p.set_requires_grad(false);
  copy_student_to_teacher();
  if (config_.centering == "sinkhorn_knopp") return;
  const int64_t patch_prototypes = config_.separate_heads ? config_.ibot_head(1).n_prototypes : config_.n_prototypes;
  center_.emplace(register_buffer("center", at::zeros({1, config_.n_prototypes})), config_.center_momentum);
  ibot_center_.emplace(register_buffer("ibot_center", at::zeros({1, patch_prototypes})), config_.center_momentum);
}

void Dinov2::copy_student_to_teacher() {
  const at::NoGradGuard no_grad;
  at::_foreach_copy_(teacher_->parameters(), student_->parameters());
  if (!gram_teacher_.is_empty()) at::_foreach_copy_(gram_teacher_->parameters(), student_->backbone->parameters());
}

double Dinov2::teacher_temp(const train::Progress& progress) const {
  return temperature_at({config_.warmup_teacher_temp, config_.teacher_temp, config_.warmup_teacher_temp_steps}, progress.step);
}

double Dinov2::momentum(const train::Progress& progress) const {
  return momentum_at(config_.momentum, config_.momentum_end, progress.steps, progress.step);
}

int64_t Dinov2::patch_size(const train::Progress& progress) const {
  if (config_.patch_sizes.empty()) return encoder_.vit().patch_size;
  RandomStream stream(seed_, static_cast<uint64_t>(progress.step), 0, RandomOp::kPatchSize);
  return config_.patch_sizes[stream.below(static_cast<uint32_t>(config_.patch_sizes.size()))];
}

/// As a teacher sees images: whole, every block.
nn::VitPass Dinov2::plain_pass(const train::Progress& progress) const {
  nn::VitPass pass;
  pass.patch_size = patch_size(progress);
  return pass;
}

Dinov2Net& Dinov2::target_net() { return frozen_ ? frozen_->net : teacher_; }

/// The patches of the global crops that the loss is over.
PatchMasks Dinov2::masks(const data::ViewBatch& batch, int64_t patch_size) const {
  if (frozen_) {
    const Tensor& view = batch.views_BCHW.front();
    const int64_t patches = grid_of(view, patch_size).count();
    return patch_masks(at::ones({kGlobalCrops * view.size(0), patches}, view.options().dtype(at::kBool)));
  }
  if (batch.masks_BN.defined()) return patch_masks(batch.masks_BN);
  const Tensor& view = batch.views_BCHW.front();
  const RandomStream stream(seed_, static_cast<uint64_t>(batch.first_position), 0, RandomOp::kMask);
  const PatchMasks drawn = draw_batch_masks(kGlobalCrops * view.size(0), dinov2_blocks(grid_of(view, patch_size)),
                                            {config_.mask_probability, config_.mask_ratio}, config_.mask_complete, stream);
  return to_device(drawn, view.device());
}

SoftTargets Dinov2::targets(DinoHead& head, const Tensor& tokens_ND, std::optional<TeacherCenter>& center, const train::Progress& progress) {
  const Tensor points = head->project(tokens_ND), prototypes = head->prototypes();
  if (!center) return sinkhorn_targets(points, prototypes, teacher_temp(progress), config_.sinkhorn_iterations, *comm_);
  center->observe(points, prototypes, progress.micro == 0);
  return centred_targets(points, prototypes, center->value(), teacher_temp(progress));
}

Dinov2::Targets Dinov2::teach(const Tensor& global_BCHW, const PatchMasks& masks, const train::Progress& progress) {
  const at::NoGradGuard no_grad;
  Dinov2Net& net = target_net();
  nn::Vit& backbone = net->backbone;
  const Tensor tokens =
      frozen_ ? backbone->forward_tokens(frozen_->view.images(global_BCHW)) : backbone->forward_tokens(global_BCHW, plain_pass(progress));
  Targets out;
  out.cls = targets(net->dino_head, swapped(backbone->class_tokens(tokens)), center_, progress);
  if (config_.ibot_weight > 0) out.patches = targets(net->patch_head(), masked_patches(backbone, tokens, masks), ibot_center_, progress);
  return out;
}

void Dinov2::add_regularisers(const Tensor& cls_ND, bool diagnose, train::Loss& loss) const {
  if (config_.koleo_weight == 0 && config_.kde_weight == 0) return;
  std::vector<Tensor> koleo_terms, kde_terms, left_out;
  for (const Tensor& view_BD : cls_ND.chunk(kGlobalCrops)) {
    const Tensor all_BD = gather_rows(view_BD, comm_);
    if (config_.koleo_weight > 0) {
      const KoLeo k = koleo(all_BD, config_.koleo_topk, kDuplicate);
      koleo_terms.push_back(k.loss), left_out.push_back(k.left_out);
    }
    if (config_.kde_weight > 0) kde_terms.push_back(kde(all_BD, {config_.kde_weight, config_.kde_kappa}));
  }
  if (!koleo_terms.empty()) add_part(loss, "koleo", at::stack(koleo_terms).sum() * config_.koleo_weight);
  if (!kde_terms.empty()) add_part(loss, "kde", at::stack(kde_terms).sum());
  if (diagnose && !left_out.empty()) loss.parts.emplace_back("koleo_left_out", at::stack(left_out).sum());
}

/// Copies the teacher at the steps that are for it: before the step, so that one that is skipped does not lose the copy.
void Dinov2::refresh_gram_teacher(int64_t step) {
  const int64_t since = step - config_.gram_start_step;
  if (since < 0 || since % config_.gram_refresh_steps != 0) return;
  const at::NoGradGuard no_grad;
  at::_foreach_copy_(gram_teacher_->parameters(), teacher_->backbone->parameters());
}

Tensor Dinov2::gram(const Tensor& student_tokens_BND, const Tensor& global_BCHW, const data::ViewBatch& batch, const train::Progress& progress) {
  Tensor anchor;
  {
    const at::NoGradGuard no_grad;
    const int64_t patch = patch_size(progress);
    const Tensor seen_BCHW = batch.undistorted_BCHW.empty() ? global_BCHW : at::cat(batch.undistorted_BCHW);
    const Tensor tokens = gram_teacher_->patch_tokens(gram_teacher_->forward_tokens(seen_BCHW, plain_pass(progress)));
    anchor = resize_tokens(tokens, grid_of(seen_BCHW, patch), grid_of(global_BCHW, patch));
  }
  return gram_loss(gram_teacher_->patch_tokens(student_tokens_BND), anchor) * config_.gram_weight;
}

train::Loss Dinov2::forward(const data::ViewBatch& batch, const train::Progress& progress) {
  Seen seen;
  return forward(batch, progress, seen);
}

train::Loss Dinov2::forward(const data::ViewBatch& batch, const train::Progress& progress, Seen& seen) {
  const std::vector<Tensor> groups = masked_crop_groups(batch.views_BCHW, "dinov2");
  const PatchMasks masked = masks(batch, patch_size(progress));
  const Targets targets = teach(groups.front(), masked, progress);

  nn::Vit& backbone = student_->backbone;
  nn::VitPass pass = frozen_ ? nn::VitPass{} : masked_pass(masked, groups.size(), {});
  pass.drop_path = nn::DropPathKey{seed_, static_cast<uint64_t>(batch.first_position)};
  pass.patch_size = patch_size(progress);
  const std::vector<Tensor> tokens = forward_tokens(backbone, groups, pass);
  const Tensor cls = class_tokens(backbone, tokens), points = student_->dino_head->project(cls), prototypes = student_->dino_head->prototypes();
  const int64_t global_rows = groups.front().size(0);
  const Tensor global_cls = cls.slice(0, 0, global_rows);
  seen = {groups.front(), {global_cls, global_cls, backbone->patch_tokens(tokens.front()), grid_of(groups.front(), patch_size(progress)), {}}};
  const int64_t locals = static_cast<int64_t>(batch.views_BCHW.size()) - kGlobalCrops;
  const double weight = config_.dino_weight / static_cast<double>(kGlobalCrops + kGlobalCrops * locals);
  train::Loss loss;
  if (locals > 0) {
    const Tensor local = points.slice(0, global_rows);
    add_part(loss, "dino_local", dinov2_loss(local, prototypes, targets.cls, locals, kGlobalCrops, config_.student_temp) * weight);
  }
  const Tensor global = points.slice(0, 0, global_rows);
  add_part(loss, "dino_global", dinov2_loss(global, prototypes, targets.cls, 1, 1, config_.student_temp) * (2 * weight));
  add_regularisers(global_cls, progress.log_step, loss);
  if (config_.ibot_weight > 0) {
    DinoHead& head = student_->patch_head();
    const Tensor patches = head->project(masked_patches(backbone, tokens.front(), masked));
    add_part(loss, "ibot", ibot_patch_loss(patches, head->prototypes(), targets.patches, masked, config_.student_temp) * config_.ibot_weight);
  }
  if (!gram_teacher_.is_empty() && progress.step >= config_.gram_start_step) {
    refresh_gram_teacher(progress.step);
    add_part(loss, "gram", gram(tokens.front(), groups.front(), batch, progress));
  }
  if (!reconstruction_.is_empty()) reconstruction_->add_to(loss, backbone, groups.front(), batch, patch_size(progress), *pass.drop_path);
  if (progress.log_step)
    for (auto& part : collapse_measures(targets.cls)) loss.parts.push_back(std::move(part));
  return loss;
}

void Dinov2::after_update(const train::Progress&) {
  if (center_) center_->update(*comm_);
  if (ibot_center_ && config_.ibot_weight > 0) ibot_center_->update(*comm_);
}

std::vector<train::MovingAverage> Dinov2::averages() { return optim::follow(teacher_->parameters(), student_->parameters()); }

std::vector<train::ParamGroup> Dinov2::param_groups() {
  std::vector<train::ParamGroup> groups = student_groups(*student_, [&](const std::string& part) {
    if (part != "backbone") return optim::dinov2_rule({});
    return optim::dinov2_rule({config_.layer_decay, encoder_.vit().depth, config_.patch_embed_lr_mult});
  });
  if (reconstruction_.is_empty()) return groups;
  const auto decoder = trained_parameters(*reconstruction_, "reconstruction.");
  for (auto& group : optim::group_params(decoder, optim::dinov2_rule({}), "reconstruction")) groups.push_back(std::move(group));
  return groups;
}

std::vector<std::pair<std::string, double>> Dinov2::schedule_values(const train::Progress& progress) const {
  std::vector<std::pair<std::string, double>> values = {{"momentum", momentum(progress)}, {"teacher_temp", teacher_temp(progress)}};
  if (!config_.patch_sizes.empty()) values.emplace_back("patch_size", static_cast<double>(patch_size(progress)));
  return values;
}

std::vector<std::string> Dinov2::batch_losses() const {
  std::vector<std::string> names;
  if (config_.centering == "sinkhorn_knopp") names.emplace_back("sinkhorn_knopp");
  if (config_.koleo_weight > 0) names.emplace_back("koleo");
  if (config_.kde_weight > 0) names.emplace_back("kde");
  return names;
}

State Dinov2::state() {
  State state = method_state(*this, encoder_);
  if (!frozen_) return state;
  std::erase_if(state.tensors, [](const auto& item) { return item.first.starts_with(kFrozen); });
  add_teachers(state, {frozen_->identity});
  return state;
}

void Dinov2::load_state(const State& state) {
  TensorMap tensors = state.tensors;
  if (frozen_) {
    check_teachers(state, {frozen_->identity}, "dinov2");
    for (const auto& [name, tensor] : nn::named_weights(*frozen_->net)) tensors.emplace(kFrozen + name, tensor);
  }
  nn::load_weights(*this, tensors);
}

}  // namespace eosin::ssl
