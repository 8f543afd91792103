#include "core/nn/weights.h"
#include "core/tensor/comm.h"
#include "optim/adamw.h"
#include "optim/curves.h"
#include "ssl/dino.h"
#include "ssl/dino_loss.h"
#include "ssl/ema.h"
#include "tests/given_views.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

Results dino_head(const Case& c) {
  ssl::DinoHeadShape shape;
  shape.in_dim = c.config["in_dim"];
  shape.hidden_dim = c.config["hidden_dim"];
  shape.bottleneck_dim = c.config["bottleneck_dim"];
  shape.n_prototypes = c.config["out_dim"];
  shape.layers = c.config["nlayers"];
  shape.use_bn = c.config["use_bn"];
  shape.weight_norm = c.config["weight_norm"];
  shape.freeze_g = c.config["freeze_g"];
  ssl::DinoHead head(shape);
  nn::load_weights(*head, c.below("param."));
  const Tensor x = c.at("in.x").clone().requires_grad_();
  const Tensor y = head(x);
  (y * c.at("in.cotangent")).sum().backward();
  Results out{{"out.y", y}, {"grad.x", x.grad()}};
  for (const auto& p : head->named_parameters()) out["grad." + p.key()] = p.value().grad();
  return out;
}

Results dino_loss(const Case& c) {
  const auto epochs = c.config["step_epochs"].get<std::vector<int64_t>>();
  const optim::WarmupCosine temperature{c.config["teacher_temp"], c.config["teacher_temp"], c.config["warmup_epochs"], c.config["warmup_epochs"],
                                        c.config["warmup_teacher_temp"]};
  const Tensor student = c.at("in.student").clone().requires_grad_(), teacher = c.at("in.teacher");
  ssl::TeacherCenter center(c.at("in.center").clone(), c.config["center_momentum"]);
  const auto comm = make_single_comm();
  const Tensor axes = at::eye(student.size(-1), student.options());  // logits as they are
  std::vector<Tensor> losses;
  for (size_t s = 0; s < epochs.size(); ++s) {
    const auto row = static_cast<int64_t>(s);
    const ssl::SoftTargets targets = ssl::centred_targets(teacher[row], axes, center.value(), optim::warmup_cosine(temperature, epochs[s]));
    losses.push_back(ssl::dino_loss(student[row], axes, targets, c.config["n_crops"], 2, c.config["student_temp"]));
    center.observe(teacher[row], true);
    center.update(*comm);
  }
  const Tensor loss = at::stack(losses);
  loss.sum().backward();
  return {{"out.loss", loss}, {"out.center", center.value()}, {"grad.student", student.grad()}};
}

Results ema_update(const Case& c) {
  std::vector<Tensor> teacher = {c.at("in.teacher.a").clone(), c.at("in.teacher.b").clone()};
  for (const double m : c.config["momentum"]) ssl::update_ema(teacher, {c.at("in.student.a"), c.at("in.student.b")}, m);
  return {{"out.teacher.a", teacher[0]}, {"out.teacher.b", teacher[1]}};
}

ssl::DinoConfig dino_config(const nlohmann::json& c) {
  const int64_t steps_per_epoch = c["steps_per_epoch"];
  ssl::DinoConfig d;
  d.n_prototypes = c["out_dim"];
  d.hidden_dim = c["head_hidden"];
  d.bottleneck_dim = c["head_bottleneck"];
  d.norm_last_layer = c["norm_last_layer"];
  d.student_temp = c["student_temp"];
  d.teacher_temp = c["teacher_temp"];
  d.warmup_teacher_temp = c["warmup_teacher_temp"];
  d.warmup_teacher_temp_steps = c["warmup_teacher_temp_epochs"].get<int64_t>() * steps_per_epoch;
  d.teacher_temp_hold_steps = steps_per_epoch;
  d.momentum = c["momentum"];
  d.center_momentum = c["center_momentum"];
  return d;
}

nn::EncoderSpec dino_encoder(const nlohmann::json& c) {
  nn::EncoderSpec spec;
  const int64_t size = c["global_size"];
  spec.vit().img_size = {size, size};
  spec.vit().patch_size = c["patch_size"];
  spec.vit().embed_dim = c["dim"];
  spec.vit().depth = c["depth"];
  spec.vit().num_heads = c["heads"];
  spec.vit().mlp_hidden = static_cast<int64_t>(c["dim"].get<double>() * c["mlp_ratio"].get<double>());
  spec.vit().pos_offset = 0.1;
  spec.vit().pos_antialias = false;
  return spec;
}

Results dino_step(const Case& c) {
  const auto& s = c.config;
  const int64_t epochs = s["epochs"], per_epoch = s["steps_per_epoch"];
  ssl::Dino dino(dino_config(s), dino_encoder(s), 0, make_single_comm());
  dino.to(at::kDouble);
  State start;
  start.tensors = dino.state().tensors;
  for (const auto& [name, t] : c.below("param.")) start.tensors["student." + name] = start.tensors["teacher." + name] = t;
  dino.load_state(start);

  const auto lr = optim::WarmupCosine::of_epochs(s["lr"], s["min_lr"], epochs, per_epoch, s["warmup_epochs"]);
  const auto weight_decay = optim::WarmupCosine::of_epochs(s["weight_decay"], s["weight_decay_end"], epochs, per_epoch, 0);
  train::TrainConfig config;
  config.steps = epochs * per_epoch;
  config.clip_grad = s["clip_grad"];
  config.freeze_last_layer_steps = s["freeze_last_layer"].get<int64_t>() * per_epoch;

  GivenViews task(dino, [&](int64_t step) {
    data::ViewBatch batch;
    for (const char* name : {"in.global", "in.local"})
      for (const Tensor& crop : c.at(name)[step].to(at::kDouble).unbind(0)) batch.views_BCHW.push_back(crop);
    return batch;
  });
  optim::AdamW adamw({}, dino.param_groups());
  const auto comm = make_single_comm();
  train::Trainer trainer(config, {task, adamw, *comm, [&](int64_t step) { return optim::warmup_cosine(lr, step); },
                                  [&](int64_t step) { return optim::warmup_cosine(weight_decay, step); }});
  const auto losses = std::make_shared<StepLosses>();
  trainer.add(losses);
  trainer.run();

  Results out{{"out.losses", at::tensor(losses->values, at::kDouble)}};
  for (const auto& [name, t] : dino.state().tensors) out["out." + name] = t;
  return out;
}

}  // namespace

std::vector<Row> ssl_rows() {
  return {{"ssl.dino_head", dino_head}, {"ssl.dino_loss", dino_loss}, {"ssl.ema_update", ema_update}, {"ssl.dino_step", dino_step}};
}

}  // namespace eosin::golden
