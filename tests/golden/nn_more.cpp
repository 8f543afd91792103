// Golden cases of rotary positions, token merging and the models that are imported under other libraries' names.
#include "core/nn/rope.h"
#include "core/nn/tnt_block.h"
#include "core/nn/token_merge.h"
#include "core/nn/vit.h"
#include "core/nn/weight_export.h"
#include "core/nn/weights.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

using Json = nlohmann::json;

template <class T>
std::optional<T> optional(const Json& config, const char* key) {
  const auto it = config.find(key);
  return it == config.end() || it->is_null() ? std::nullopt : std::optional<T>(it->get<T>());
}

double value_at(const Tensor& t, int64_t i) { return t.reshape({-1})[i].item<double>(); }

nn::RopeConfig rope_config(const Json& c, const std::string& prefix) {
  nn::RopeConfig rope;
  rope.enabled = true;
  rope.base = optional<double>(c, (prefix + "base").c_str()).value_or(rope.base);
  rope.min_period = optional<double>(c, (prefix + "min_period").c_str());
  rope.max_period = optional<double>(c, (prefix + "max_period").c_str());
  rope.normalize = c[prefix + "normalize"];
  return rope;
}

Results rope_axial(const Case& c) {
  const nn::RopeConfig rope = rope_config(c.config, "");
  nn::RopeChange change;
  for (size_t axis = 0; axis < 2; ++axis) {
    if (c.has("in.shift")) change.shift[axis] = value_at(c.at("in.shift"), static_cast<int64_t>(axis));
    if (c.has("in.jitter")) change.jitter[axis] = value_at(c.at("in.jitter"), static_cast<int64_t>(axis));
  }
  if (c.has("in.rescale")) change.rescale = value_at(c.at("in.rescale"), 0);
  const Tensor periods = nn::rope_periods(rope, c.config["head_dim"]);
  const nn::PatchGrid grid{c.config["grid"][0], c.config["grid"][1]};
  const nn::RopeTable table = nn::rope_table(nn::rope_coordinates(grid, rope.normalize, change), periods);
  const Tensor q = c.at("in.q").clone().requires_grad_(), k = c.at("in.k").clone().requires_grad_();
  const Tensor turned_q = nn::rotate(q, table), turned_k = nn::rotate(k, table);
  (turned_q.pow(3) + turned_k.pow(3)).sum().div(3).backward();
  return {{"out.periods", periods}, {"out.sin", table.sin}, {"out.cos", table.cos}, {"out.q", turned_q},
          {"out.k", turned_k},      {"grad.q", q.grad()},   {"grad.k", k.grad()}};
}

/// An imported model and the results of a forward pass with or without masked patches.
struct Imported {
  nn::Vit model{nullptr};
  Tensor image, prenorm, tokens;
};

Imported run_imported(const Case& c, nn::ImportedWeights imported) {
  Imported run;
  run.model = nn::Vit(imported.vit());
  nn::load_weights(*run.model, imported.weights);
  run.image = c.at("in.image").clone().requires_grad_();
  nn::VitPass pass;
  if (c.has("in.mask")) pass.masks_BN = {c.at("in.mask")};
  run.prenorm = run.model->forward_prenorm({run.image}, pass).front();
  run.tokens = run.model->normalise(run.prenorm);
  return run;
}

Results vit_dinov3(const Case& c) {
  nn::ImportTarget target;
  target.num_heads = c.config["heads"];
  target.norm_eps = c.config["norm_eps"];
  target.mask_token = true;
  nn::ImportedWeights imported = nn::convert_state_dict(c.below("param."), target);
  imported.vit().rope = rope_config(c.config, "rope_");
  const Imported run = run_imported(c, imported);
  (run.tokens * c.at("in.cotangent")).sum().backward();
  Results out{{"out.prenorm", run.prenorm},
              {"out.cls", run.model->class_tokens(run.tokens)},
              {"out.reg", run.model->register_tokens(run.tokens)},
              {"out.patch", run.model->patch_tokens(run.tokens)},
              {"grad.image", run.image.grad()}};
  TensorMap gradients;
  for (const auto& p : run.model->named_parameters()) gradients[p.key()] = p.value().grad().defined() ? p.value().grad() : at::zeros_like(p.value());
  for (const auto& [name, t] : nn::to_dinov3(gradients, run.model->config())) out["grad." + name] = t;
  return out;
}

Results vit_hf(const Case& c) {
  nn::ImportTarget target;
  target.num_heads = c.config["heads"];
  target.norm_eps = c.config["norm_eps"];
  target.mask_token = c.has("in.mask");
  const Imported run = run_imported(c, nn::convert_state_dict(c.below("param."), target));
  return {{"out.tokens", run.tokens}, {"out.cls", run.model->class_tokens(run.tokens)}};
}

nn::MergePlan merge_plan(const Case& c) {
  const Json& how = c.config;
  const Tensor& metric = c.at("in.metric");
  if (how["method"] == "tome") return nn::tome_plan(metric, how["r"], how["class_token"], how.value("distill_token", false));
  return nn::pitome_plan(metric, how["ratio"], how["margin"], how["alpha"], how["class_token"], how["method"] == "pitome_bsm");
}

Results token_merge(const Case& c) {
  const nn::MergePlan plan = merge_plan(c);
  const Tensor x = c.at("in.x").clone().requires_grad_();
  const Tensor size = c.has("in.size") ? c.at("in.size") : at::ones({x.size(0), x.size(1), 1}, x.options().requires_grad(false));
  const nn::MergedTokens merged = nn::merge_tokens(plan, x, size);
  const Tensor cotangent = at::linspace(-1, 1, merged.tokens_BND.numel(), x.options().requires_grad(false)).view_as(merged.tokens_BND);
  (merged.tokens_BND * cotangent).sum().backward();
  return {{"out.x", merged.tokens_BND}, {"out.size", merged.size_BN1}, {"out.source", nn::merge_sources(plan)}, {"grad.x", x.grad()}};
}

nn::TokenMergeConfig tome_config(const Json& c) {
  nn::TokenMergeConfig merge;
  merge.method = "tome";
  merge.proportional_attention = c["prop_attn"];
  if (c["r_kind"] == "int") {
    merge.r = c["r"];
  } else if (c["r_kind"] == "tuple") {
    merge.r = c["r"][0];
    merge.inflect = c["r"][1];
  } else {
    merge.r_of_block = c["r"].get<std::vector<int64_t>>();
  }
  return merge;
}

Results vit_tome(const Case& c) {
  nn::VitConfig config;
  config.img_size = c.config["img_size"].get<std::vector<int64_t>>();
  config.patch_size = c.config["patch_size"];
  config.in_chans = c.config["in_chans"];
  config.embed_dim = c.config["dim"];
  config.depth = c.config["depth"];
  config.num_heads = c.config["heads"];
  config.mlp_hidden = c.config["mlp_hidden"];
  config.norm_eps = c.config.value("norm_eps", config.norm_eps);
  config.token_merge = tome_config(c.config);
  nn::Vit model(config);
  nn::load_weights(*model, c.below("param."));
  const nn::MergedTokens merged = model->forward_merged({c.at("in.image")}).front();
  const Tensor tokens = model->normalise(merged.tokens_BND);
  return {{"out.tokens", tokens}, {"out.size", merged.size_BN1}, {"out.cls", model->class_tokens(tokens)}};
}

Results tnt_block(const Case& c) {
  nn::TntBlockConfig config;
  config.inner_dim = c.config["inner_dim"];
  config.outer_dim = c.config["outer_dim"];
  config.inner_heads = c.config["inner_heads"];
  config.outer_heads = c.config["outer_heads"];
  config.num_pixel = c.config["num_pixel"];
  nn::TntBlock block(config);
  nn::load_weights(*block, c.below("param."));
  const Tensor pixel = c.at("in.pixel").clone().requires_grad_(), patch = c.at("in.patch").clone().requires_grad_();
  const auto [pixel_out, patch_out] = block->forward(pixel, patch);
  (patch_out * c.at("in.cotangent")).sum().backward();
  Results out{{"out.pixel", pixel_out}, {"out.patch", patch_out}, {"grad.pixel", pixel.grad()}, {"grad.patch", patch.grad()}};
  for (const auto& p : block->named_parameters()) out["grad." + p.key()] = p.value().grad();
  return out;
}

}  // namespace

std::vector<Row> nn_more_rows() {
  return {{"nn.rope_axial", rope_axial},   {"nn.vit_dinov3", vit_dinov3}, {"nn.vit_hf", vit_hf},
          {"nn.token_merge", token_merge}, {"nn.vit_tome", vit_tome},     {"nn.tnt_block", tnt_block}};
}

}  // namespace eosin::golden
