// DINOv2, iBOT, MAE; their masks, targets and regularisers.
#include "core/nn/sincos_pos_embed.h"
#include "core/nn/weights.h"
#include "core/tensor/comm.h"
#include "optim/adamw.h"
#include "optim/curves.h"
#include "ssl/dino_loss.h"
#include "ssl/dinov2.h"
#include "ssl/fourier_loss.h"
#include "ssl/gram.h"
#include "ssl/ibot_loss.h"
#include "ssl/kde.h"
#include "ssl/koleo.h"
#include "ssl/mae.h"
#include "ssl/mae_loss.h"
#include "ssl/soft_targets.h"
#include "ssl/teacher_schedule.h"
#include "tests/given_views.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

constexpr int64_t kSinkhornIterations = 3;

Tensor leaf(const Case& c, const std::string& name) { return c.at("in." + name).clone().requires_grad_(); }

/// Logits as they are: their product with the identity.
Tensor axes(const Tensor& logits) { return at::eye(logits.size(-1), logits.options()); }

Tensor whole(const ssl::SoftTargets& targets) { return targets.chunk(0, targets.prototypes()); }

Results sinkhorn(const Case& c) {
  const auto comm = make_single_comm();
  const Tensor logits = c.at("in.logits");
  return {{"out.assignment", whole(ssl::sinkhorn_targets(logits, axes(logits), c.config["temp"], c.config["iterations"], *comm))}};
}

struct CenteredTargets {
  ssl::SoftTargets targets;
  Tensor center_after;
};

/// Targets of `teacher` by the case's centering, and the centre that they leave.
CenteredTargets targets_of(const Case& c, const Tensor& teacher_NK) {
  const auto comm = make_single_comm();
  const Tensor center = c.at("in.center").clone();
  if (c.config["centering"] != "centering")
    return {ssl::sinkhorn_targets(teacher_NK, axes(teacher_NK), c.config["teacher_temp"], kSinkhornIterations, *comm), center};
  ssl::TeacherCenter moving(center.view({1, -1}), c.config["center_momentum"]);
  const ssl::SoftTargets targets = ssl::centred_targets(teacher_NK, axes(teacher_NK), moving.value(), c.config["teacher_temp"]);
  moving.observe(teacher_NK, true);
  moving.update(*comm);
  return {targets, center};
}

Results dinov2_loss(const Case& c) {
  const CenteredTargets t = targets_of(c, c.at("in.teacher"));
  const Tensor student = leaf(c, "student");
  const Tensor loss =
      ssl::dinov2_loss(student, axes(student), t.targets, c.config["student_crops"], c.config["teacher_crops"], c.config["student_temp"]);
  loss.backward();
  return {{"out.loss", loss}, {"out.target", whole(t.targets)}, {"out.center", t.center_after}, {"grad.student", student.grad()}};
}

Results ibot_patch_loss(const Case& c) {
  const CenteredTargets t = targets_of(c, c.at("in.teacher"));
  const Tensor student = leaf(c, "student");
  const Tensor loss = ssl::ibot_patch_loss(student, axes(student), t.targets, ssl::patch_masks(c.at("in.masks")), c.config["student_temp"]);
  loss.backward();
  return {{"out.loss", loss}, {"out.target", whole(t.targets)}, {"out.center", t.center_after}, {"grad.student", student.grad()}};
}

Results ibot_v1_loss(const Case& c) {
  const auto& s = c.config;
  const int64_t global = s["global_crops"], local = s["local_crops"], epoch = s["epoch"], warmup = s["warmup_epochs"];
  const ssl::IbotTeacherTemps temps{ssl::temperature_at({s["warmup_teacher_temp"], s["teacher_temp"], warmup}, epoch),
                                    ssl::temperature_at({s["warmup_teacher_patch_temp"], s["teacher_patch_temp"], warmup}, epoch)};
  const Tensor center = c.at("in.center").clone(), center2 = c.at("in.center2").clone();
  const double momentum = s["center_momentum"];
  ssl::IbotCenters centers{{center, momentum}, {center2.view({1, -1}), s.value("center_momentum2", momentum)}};

  const Tensor cls = leaf(c, "student_cls"), patch = leaf(c, "student_patch");
  const Tensor locals = c.has("in.student_local_cls") ? leaf(c, "student_local_cls") : Tensor();
  const ssl::PatchMasks masks = ssl::patch_masks(c.at("in.mask").flatten(0, 1));
  const Tensor axes_KK = axes(cls);
  const ssl::IbotTargets targets =
      ssl::ibot_targets(c.at("in.teacher_cls"), c.at("in.teacher_patch").flatten(0, 1), axes_KK, masks, temps, centers, /*first=*/true);
  const ssl::IbotLossOptions options{global + (locals.defined() ? local : 0), global, s["student_temp"], s["lambda1"], s["lambda2"]};
  const ssl::IbotTerms terms =
      ssl::ibot_loss(locals.defined() ? at::cat({cls, locals}) : cls, ssl::masked_rows(patch, masks), axes_KK, targets, masks, options);
  terms.total().backward();
  centers.update(*make_single_comm());
  Results out{{"out.loss", terms.total()}, {"out.cls", terms.cls},           {"out.patch", terms.patch},          {"out.center", center},
              {"out.center2", center2},    {"grad.student_cls", cls.grad()}, {"grad.student_patch", patch.grad()}};
  if (locals.defined()) out["grad.student_local_cls"] = locals.grad();
  return out;
}

Results koleo(const Case& c) {
  const Tensor x = leaf(c, "x"), loss = ssl::koleo(x, c.config["topk"]).loss;
  loss.backward();
  return {{"out.loss", loss}, {"grad.x", x.grad()}};
}

Results kde(const Case& c) {
  const ssl::KdeShape shape{c.config["weight"], c.config["kappa"], c.config["eps"], c.config["include_self"], c.config["normalize_count"]};
  const Tensor x = leaf(c, "x"), loss = ssl::kde(x, shape);
  loss.backward();
  return {{"out.loss", loss}, {"grad.x", x.grad()}};
}

Results gram(const Case& c) {
  const ssl::GramShape shape{c.config["normalize"], c.config["img_level"], c.config["remove_negatives"]};
  const Tensor student = leaf(c, "student"), loss = ssl::gram_loss(student, c.at("in.teacher"), shape);
  loss.backward();
  return {{"out.loss", loss}, {"grad.student", student.grad()}};
}

Results fourier_loss(const Case& c) {
  const Tensor pred = leaf(c, "pred");
  const Tensor loss = ssl::fourier_loss(pred, c.at("in.target"), c.config["norm"]) * c.config["weight"].get<double>();
  loss.backward();
  return {{"out.loss", loss}, {"grad.pred", pred.grad()}};
}

// ---------------------------------------------------------------------------------------------- MAE, positions, masks
/// The case's names are MAE's.
std::string mae_name(const std::string& ours) {
  if (ours.starts_with("backbone.")) return ours.substr(9);
  return ours == "decoder.mask_token" ? "mask_token" : "decoder_" + ours.substr(8);
}

Results mae(const Case& c) {
  const auto& s = c.config;
  nn::VitConfig vit;
  vit.img_size = {s["img_size"], s["img_size"]};
  vit.patch_size = s["patch_size"];
  vit.embed_dim = s["dim"];
  vit.depth = s["depth"];
  vit.num_heads = s["heads"];
  vit.mlp_hidden = static_cast<int64_t>(s["dim"].get<double>() * s["mlp_ratio"].get<double>());
  const ssl::MaeDecoderShape decoder{vit.embed_dim,
                                     s["decoder_dim"],
                                     s["decoder_depth"],
                                     s["decoder_heads"],
                                     static_cast<int64_t>(s["decoder_dim"].get<double>() * s["mlp_ratio"].get<double>()),
                                     vit.patch_size,
                                     vit.in_chans,
                                     vit.grid()};
  ssl::MaeNet net(vit, decoder);
  TensorMap weights;
  for (const auto& [name, t] : nn::named_weights(*net)) weights[name] = c.at("param." + mae_name(name));
  nn::load_weights(*net, weights);

  const Tensor image = c.at("in.image");
  const ssl::VisiblePatches chosen = ssl::choose_visible(c.at("in.noise"), s["mask_ratio"]);
  const Tensor latent = net->encode(image, chosen.visible_BK), pred = net->decode(latent, chosen.restore_BN);
  const Tensor loss = ssl::mae_loss(pred, ssl::patchify(image, vit.patch_size), chosen.mask_BN, s["norm_pix_loss"]);
  loss.backward();
  Results out{{"out.loss", loss}, {"out.pred", pred}, {"out.latent", latent}, {"out.mask", chosen.mask_BN}, {"out.ids_restore", chosen.restore_BN}};
  for (const auto& p : net->named_parameters()) out["grad." + mae_name(p.key())] = p.value().grad();
  return out;
}

Results sincos_pos_embed(const Case& c) {
  const int64_t grid = c.config["grid"];
  const auto order = c.config["order"] == "x_first" ? nn::SincosOrder::XFirst : nn::SincosOrder::YFirst;
  return {{"out.pos_embed", nn::sincos_pos_embed({grid, grid}, c.config["dim"], order, c.config["class_token"] ? 1 : 0)[0]}};
}

/// The case's numbers, one after another; `used` counts them.
ssl::Draw given_draws(const Case& c, int64_t& used) {
  return [draws = c.at("in.draws"), &used] { return draws[used++].item<double>(); };
}

Results block_mask(const Case& c) {
  const auto& s = c.config;
  const ssl::BlockMaskShape shape{{s["grid"][0], s["grid"][1]}, s["min_num_patches"], s["max_num_patches"], s["min_aspect"]};
  int64_t used = 0;
  Tensor mask = ssl::block_mask(shape, s["target"], given_draws(c, used));
  if (s["complete"]) ssl::complete_mask(mask, s["target"], c.at("in.keys"));
  return {{"out.mask", mask}, {"out.draws_used", scalar_i64(used)}};
}

Results mask_batch(const Case& c) {
  const int64_t rows = c.config["grid"][0], cols = c.config["grid"][1];
  int64_t used = 0;
  const ssl::MaskCounts wanted = ssl::mask_counts(
      c.config["crops"], rows * cols, {c.config["mask_probability"], c.config["mask_ratio"].get<std::vector<double>>()}, given_draws(c, used));
  const Tensor perm = c.at("in.perm");
  const std::vector<int64_t> order(perm.const_data_ptr<int64_t>(), perm.const_data_ptr<int64_t>() + perm.numel());
  const ssl::PatchMasks masks = ssl::shuffled_masks(wanted.counts, order, [&](int64_t count) { return at::arange(rows * cols) < count; });
  return {{"out.counts", at::tensor(wanted.counts, at::kLong)},
          {"out.masks", masks.masks_BN},
          {"out.indices", masks.indices_M},
          {"out.weights", masks.weights_M},
          {"out.upperbound", scalar_i64(wanted.upper_bound)}};
}

// ---------------------------------------------------------------------------------------------- steps of DINOv2
ssl::Dinov2Config dinov2_config(const nlohmann::json& c) {
  ssl::Dinov2Config d;
  d.n_prototypes = c["dino_out"];
  d.hidden_dim = c["head_hidden"];
  d.bottleneck_dim = c["head_bottleneck"];
  d.separate_heads = c["separate_head"];
  if (d.separate_heads) d.ibot_n_prototypes = c["ibot_out"];
  d.norm_last_layer = false;
  d.centering = c["centering"];
  d.teacher_temp = c["teacher_temp"];
  d.warmup_teacher_temp = c["warmup_teacher_temp"];
  d.warmup_teacher_temp_steps = c["warmup_teacher_temp_steps"];
  d.momentum = c["momentum"];
  d.ibot_weight = c["ibot_weight"];
  d.koleo_weight = c["koleo_weight"];
  d.layer_decay = c["layer_decay"];
  d.patch_embed_lr_mult = c["patch_embed_mult"];
  return d;
}

nn::EncoderSpec dinov2_encoder(const nlohmann::json& c) {
  nn::EncoderSpec spec;
  spec.vit().img_size = {c["global_size"], c["global_size"]};
  spec.vit().patch_size = c["patch_size"];
  spec.vit().embed_dim = c["dim"];
  spec.vit().depth = c["depth"];
  spec.vit().num_heads = c["heads"];
  spec.vit().mlp_hidden = static_cast<int64_t>(c["dim"].get<double>() * c["mlp_ratio"].get<double>());
  spec.vit().init_values = c["layerscale_init"];
  spec.vit().reg_tokens = c["reg_tokens"];
  spec.vit().pos_embed_covers = "class";
  spec.vit().pos_offset = 0.1;
  spec.vit().pos_antialias = false;
  return spec;
}

/// "backbone.register_tokens" as we call it.
std::string our_name(const std::string& theirs) {
  constexpr std::string_view kBackbone = "backbone.";
  return theirs.starts_with(kBackbone) ? std::string(kBackbone) + nn::timm_name(theirs.substr(kBackbone.size())) : theirs;
}

std::unique_ptr<ssl::Dinov2> dinov2_of(const Case& c) {
  auto dinov2 = std::make_unique<ssl::Dinov2>(dinov2_config(c.config), dinov2_encoder(c.config), 0, make_single_comm());
  dinov2->to(at::kDouble);
  State start = dinov2->state();
  for (const auto& [name, t] : c.below("param.")) start.tensors["student." + our_name(name)] = start.tensors["teacher." + our_name(name)] = t;
  dinov2->load_state(start);
  return dinov2;
}

data::ViewBatch dinov2_batch(const Case& c, int64_t step) {
  data::ViewBatch batch;
  const auto add = [&](const char* name, int64_t views) {
    if (views == 0) return;
    for (const Tensor& view : c.at(name)[step].to(at::kDouble).chunk(views)) batch.views_BCHW.push_back(view);
  };
  add("in.global", 2);
  add("in.local", c.config["local_crops"]);
  batch.masks_BN = c.at("in.masks")[step];
  return batch;
}

/// What the case compares, taken after its last step.
struct StepRecord final : train::Hook {
  std::vector<Tensor> losses, grad_norms;
  TensorMap state;
  std::function<State()> state_now;
  double ibot_weight = 1;
  int64_t steps = 0;

  void after(train::StepReport& report) override {
    if (report.done() > steps) return;
    std::map<std::string, double> part(report.parts.begin(), report.parts.end());
    // The case holds what the reference displays: KoLeo and iBOT halved, iBOT before its weight.
    const double ibot = ibot_weight > 0 ? part["ibot"] / ibot_weight : 0;
    losses.push_back(at::tensor({part["dino_local"], part["dino_global"], part["koleo"] / 2, ibot / 2}, at::kDouble));
    std::vector<double> norms;
    for (const auto& [module, norm] : report.grad_norms) norms.push_back(norm);
    grad_norms.push_back(at::tensor(norms, at::kDouble));
    if (report.done() == steps)
      for (const auto& [name, t] : state_now().tensors) state[name] = t.detach().clone();
  }
};

Results dinov2_step(const Case& c) {
  const auto& s = c.config;
  const auto dinov2 = dinov2_of(c);
  const int64_t total = s["total_steps"], steps = s["steps"];
  optim::WarmupCosine lr{s["lr"], s["min_lr"], total, s["warmup_steps"]}, weight_decay{s["weight_decay"], s["weight_decay_end"], total};
  train::TrainConfig config;
  config.steps = total;
  config.clip_grad = s["clip_grad"];
  config.clip_mode = "per_module";
  config.freeze_last_layer_steps = s["freeze_last_layer_steps"];
  config.log_every = 1;

  GivenViews task(*dinov2, [&](int64_t step) { return dinov2_batch(c, std::min(step, steps - 1)); });  // what follows the last is not looked at
  optim::AdamWConfig adam;
  adam.betas = s["betas"].get<std::vector<double>>();
  optim::AdamW adamw(adam, dinov2->param_groups());
  const auto comm = make_single_comm();
  train::Trainer trainer(config, {task, adamw, *comm, [&](int64_t step) { return optim::warmup_cosine(lr, step); },
                                  [&](int64_t step) { return optim::warmup_cosine(weight_decay, step); }});
  const auto record = std::make_shared<StepRecord>();
  record->steps = steps;
  record->ibot_weight = s["ibot_weight"];
  record->state_now = [&] { return dinov2->state(); };
  trainer.add(record);
  trainer.run();

  Results out{{"out.losses", at::stack(record->losses)}, {"out.grad_norms", at::stack(record->grad_norms)}};
  for (const std::string name : s["compare"])
    for (const std::string net : {"student.", "teacher."}) out["out." + net + name] = record->state.at(net + our_name(name));
  // Gradients of the first step, before clipping.
  const auto fresh = dinov2_of(c);
  train::Progress first;
  first.steps = total;
  fresh->forward(dinov2_batch(c, 0), first).total.backward();
  for (const std::string& name : c.gradients()) out["grad." + name] = fresh->named_parameters()["student." + our_name(name)].grad();
  return out;
}

}  // namespace

std::vector<Row> ssl_masked_rows() {
  return {{"ssl.sinkhorn", sinkhorn},
          {"ssl.dinov2_loss", dinov2_loss},
          {"ssl.dinov2_step", dinov2_step},
          {"ssl.ibot_patch_loss", ibot_patch_loss},
          {"ssl.ibot_v1_loss", ibot_v1_loss},
          {"ssl.koleo", koleo},
          {"ssl.kde", kde},
          {"ssl.gram", gram},
          {"ssl.fourier_loss", fourier_loss},
          {"ssl.mae", mae},
          {"ssl.sincos_pos_embed", sincos_pos_embed},
          {"ssl.block_mask", block_mask},
          {"ssl.mask_batch", mask_batch}};
}

}  // namespace eosin::golden
