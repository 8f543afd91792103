#include "tests/golden/runner.h"

#include "optim/adamw.h"
#include "optim/clip.h"
#include "optim/curves.h"
#include "optim/optimizers.h"
#include "optim/param_groups.h"
#include "optim/plateau.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

namespace eosin::golden {
namespace {

using nlohmann::json;

Tensor values(int64_t count, const std::function<double(int64_t)>& at_step) {
  Tensor out = at::empty({count}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) out[i] = at_step(i);
  return out;
}

Results plateau(const Case& c) {
  const json& s = c.config;
  optim::Plateau schedule(
      {s.at("base"), s.at("mode"), s.at("factor"), s.at("patience"), s.at("threshold"), s.at("threshold_mode"), s.at("cooldown"), s.at("min_lr")});
  const Tensor metric = c.at("in.metric");
  const auto next = [&](int64_t k) {
    const double in_force = schedule.value();
    schedule.report(metric[k].item<double>());
    return in_force;
  };
  return {{"out.value", values(metric.numel(), next)}};
}

Results one_cycle(const Case& c) {
  const json& s = c.config;
  const optim::OneCycle cycle{s.at("max_lr"),        s.at("total_steps"),  s.at("pct_start"),   s.at("div_factor"), s.at("final_div_factor"),
                              s.at("base_momentum"), s.at("max_momentum"), s.at("three_phase"), s.at("anneal")};
  const int64_t n = c.at("out.value").numel();
  return {{"out.value", values(n, [&](int64_t k) { return optim::one_cycle_lr(cycle, k); })},
          {"out.momentum", values(n, [&](int64_t k) { return optim::one_cycle_momentum(cycle, k); })}};
}

std::function<double(int64_t)> curve(const json& s) {
  const std::string name = s.at("name");
  const double base = s.at("base");
  if (name == "warmup_cosine")
    return [o = optim::WarmupCosine::of_epochs(base, s.at("final"), s.at("epochs"), s.at("steps_per_epoch"), s.at("warmup_epochs"), s.at("start"))](
               int64_t k) { return optim::warmup_cosine(o, k); };
  if (name == "warmup_cosine_fractional_epoch")
    return [o = optim::EpochCosine{base, s.at("final"), s.at("epochs"), s.at("warmup_epochs"), s.at("steps_per_epoch")}](int64_t k) {
      return optim::epoch_cosine(o, k);
    };
  if (name == "wsd")
    return [o = optim::WarmupStableDecay{base, s.at("warmup_steps"), s.at("stable_steps"), s.at("decay_steps"), s.at("warmup_type"),
                                         s.at("decay_type"), s.at("min_ratio")}](int64_t k) { return optim::warmup_stable_decay(o, k); };
  if (name == "polynomial") return [=](int64_t k) { return optim::polynomial(base, s.at("total_steps"), s.at("power"), k); };
  if (name == "step") return [=](int64_t k) { return optim::step_decay(base, s.at("gamma"), s.at("step_size"), k); };
  if (name == "multi_step")
    return [=](int64_t k) { return optim::multi_step(base, s.at("gamma"), s.at("milestones").get<std::vector<int64_t>>(), k); };
  if (name == "linear") return [=](int64_t k) { return optim::linear(base, s.at("start_factor"), s.at("end_factor"), s.at("total_steps"), k); };
  if (name == "exponential") return [=](int64_t k) { return optim::exponential(base, s.at("gamma"), k); };
  if (name == "cosine_restarts") return [=](int64_t k) { return optim::cosine_restarts(base, s.at("eta_min"), s.at("t0"), s.at("t_mult"), k); };
  throw Skip("optim.schedule of " + name);
}

Results schedule(const Case& c) {
  const std::string name = c.config.at("name");
  if (name == "plateau") return plateau(c);
  if (name == "one_cycle") return one_cycle(c);
  return {{"out.value", values(c.at("out.value").numel(), curve(c.config))}};
}

optim::RuleOf rule_of(const json& s) {
  const std::string name = s.at("name");
  if (name == "dino") return optim::dino_rule();
  if (name == "no_decay") return optim::no_decay_rule(s.at("no_decay_names"));
  if (name == "layer_decay") return optim::mae_rule(s.at("layer_decay"), s.at("depth"), s.at("no_decay_names"));
  if (name == "dinov2") return optim::dinov2_rule({s.at("layer_decay"), s.at("depth"), s.at("patch_embed_lr_mult")});
  throw Skip("optim.param_groups of " + name);
}

Results param_groups(const Case& c) {
  const json& s = c.config;
  const std::vector<std::string> names = s.at("names");
  const std::vector<optim::Shape> shapes = s.at("shapes");
  const auto rule = [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    if (s.at("name") == "mup")
      return optim::mup_rule(s.at("optimizer"), s.at("decoupled_weight_decay"), shapes[k], s.at("base_shapes").get<std::vector<optim::Shape>>()[k]);
    return rule_of(s)(names[k], shapes[k]);
  };
  const auto n = static_cast<int64_t>(names.size());
  return {{"out.weight_decay", values(n, [&](int64_t i) { return rule(i).weight_decay(s.at("weight_decay")); })},
          {"out.lr_scale", values(n, [&](int64_t i) { return rule(i).lr(1.0); })}};
}

Results step(const Case& c) {
  const json& s = c.config;
  const std::string name = s.at("name");
  const auto& built = optim::optimizer_table();
  if (std::none_of(built.begin(), built.end(), [&](const auto& row) { return row.name == name; })) throw Skip("optim.step of " + name);
  optim::ParamGroup group;
  std::vector<Tensor> grads;
  Results results;
  for (int i = 0; c.has("in.p" + std::to_string(i)); ++i) {
    const std::string key = "p" + std::to_string(i);
    group.names.push_back(key);
    group.params.push_back(c.at("in." + key).clone());
    grads.push_back(c.at("in.g" + std::to_string(i)));
    results.emplace("out." + key, at::empty_like(grads.back()));
  }
  optim::AdamWConfig config;
  config.betas = s.at("betas").get<std::vector<double>>(), config.eps = s.at("eps"), config.amsgrad = s.at("amsgrad");
  const auto params = group.params;
  optim::AdamW rule(config, {std::move(group)});
  for (int64_t k = 0; k < s.at("steps").get<int64_t>(); ++k) {
    for (size_t i = 0; i < params.size(); ++i) params[i].mutable_grad() = grads[i][k];
    rule.step({s.at("lr"), s.at("weight_decay")});
    for (size_t i = 0; i < params.size(); ++i) results.at("out.p" + std::to_string(i))[k].copy_(params[i]);
  }
  return results;
}

// ------------------------------------------------------------------------------------------------ the same for the area ssl
std::function<double(int64_t)> ssl_curve(const json& s) {
  const std::string kind = s.at("kind");
  if (kind == "cosine") {
    optim::WarmupCosine o{s.at("base"), s.at("final"), s.at("total"), s.at("warmup"), s.at("start"), s.at("freeze"), s.value("trunc_extra", 0.0)};
    return [o](int64_t k) { return optim::warmup_cosine(o, k); };
  }
  if (kind == "dino_epochs")
    return [o = optim::WarmupCosine::of_epochs(s.at("base"), s.at("final"), s.at("epochs"), s.at("steps_per_epoch"), s.at("warmup_epochs"),
                                               s.value("start", 0.0))](int64_t k) { return optim::warmup_cosine(o, k); };
  if (kind == "mae")
    return [o = optim::EpochCosine{s.at("base"), s.at("final"), s.at("epochs"), s.at("warmup_epochs"), s.at("steps_per_epoch")}](int64_t k) {
      return optim::epoch_cosine(o, k);
    };
  if (kind == "linear_warmup_cosine") {
    optim::LinearWarmupCosine o{s.at("start"), s.at("peak"), s.at("end"), s.at("warmup"), s.at("total"), {}};
    if (!s.at("cosine").is_null()) o.cosine = s.at("cosine").get<int64_t>();
    return [o](int64_t k) { return optim::linear_warmup_cosine(o, k); };
  }
  throw Skip("ssl.schedule of " + kind);
}

Results ssl_schedule(const Case& c) { return {{"out.values", values(c.at("out.values").numel(), ssl_curve(c.config))}}; }

Results ssl_layer_decay(const Case& c) {
  const json& s = c.config;
  const std::vector<std::string> names = s.at("names");
  const std::vector<optim::Shape> shapes = s.at("shapes");
  const std::string variant = s.at("variant");
  optim::RuleOf rule;
  if (variant == "mae") rule = optim::mae_rule(s.at("decay"), s.at("num_blocks"));
  if (variant == "dinov2") rule = optim::dinov2_rule({s.at("decay"), s.at("num_blocks"), s.at("patch_embed_mult")});
  if (variant == "dinov3") rule = optim::dinov3_rule({s.at("decay"), s.at("num_blocks"), s.at("patch_embed_mult")});
  if (!rule) throw Skip("ssl.layer_decay of " + variant);
  const auto of = [&](int64_t i) { return rule(names[static_cast<size_t>(i)], shapes[static_cast<size_t>(i)]); };
  const auto n = static_cast<int64_t>(names.size());
  return {{"out.lr_mult", values(n, [&](int64_t i) { return of(i).lr_scale; })},
          {"out.wd_mult", values(n, [&](int64_t i) { return of(i).weight_decay_scale; })},
          {"out.is_last_layer", values(n, [&](int64_t i) { return of(i).last_layer; }).to(at::kBool)}};
}

Results ssl_clip_gradients(const Case& c) {
  std::vector<Tensor> grads;
  for (int i = 0; c.has("in.grad" + std::to_string(i)); ++i) grads.push_back(c.at("in.grad" + std::to_string(i)).clone());
  const auto count = static_cast<int64_t>(grads.size());
  const optim::ClipGroups groups = c.config.at("mode") == "per_module" ? c.config.at("modules").get<optim::ClipGroups>() : optim::per_tensor(count);
  Results results{{"out.norms", optim::clip_by_norm(grads, groups, c.config.at("clip"))}};
  for (int64_t i = 0; i < count; ++i) results.emplace("out.grad" + std::to_string(i), grads[static_cast<size_t>(i)]);
  return results;
}

}  // namespace

std::vector<Row> optim_rows() {
  return {{"optim.step", step},           {"optim.schedule", schedule},         {"optim.param_groups", param_groups},
          {"ssl.schedule", ssl_schedule}, {"ssl.layer_decay", ssl_layer_decay}, {"ssl.clip_gradients", ssl_clip_gradients}};
}

}  // namespace eosin::golden
