#include "core/base/error.h"
#include "core/nn/drop_path.h"
#include "core/nn/patch_embed_resample.h"
#include "core/nn/vit.h"
#include "core/nn/weight_export.h"
#include "core/nn/weights.h"
#include "tests/golden/runner.h"

#include <ATen/ATen.h>

namespace eosin::golden {
namespace {

nn::PatchGrid grid_of(const nlohmann::json& pair) { return {pair[0].get<int64_t>(), pair[1].get<int64_t>()}; }

nn::VitConfig vit_config(const nlohmann::json& c) {
  nn::VitConfig v;
  v.img_size = c["img_size"].is_array() ? c["img_size"].get<std::vector<int64_t>>() : std::vector<int64_t>(2, c["img_size"].get<int64_t>());
  v.patch_size = c["patch_size"];
  v.in_chans = c["in_chans"];
  v.embed_dim = c["dim"];
  v.depth = c["depth"];
  v.num_heads = c["heads"];
  v.mlp_hidden = c["mlp_hidden"];
  if (c["ffn"] == "swiglu_packed") v.mlp_hidden /= 2;  // the case counts the width before gating
  v.ffn = c["ffn"] == "mlp" ? "mlp" : "swiglu";
  if (c["layerscale"]) v.init_values = 1e-5;
  v.reg_tokens = c["reg_tokens"];
  v.norm_eps = c["norm_eps"];
  return v;
}

nn::VitConfig timm_config(const nlohmann::json& c) {
  nn::VitConfig v = vit_config(c);
  v.qkv_bias = c["qkv_bias"];
  v.qk_norm = c["qk_norm"];
  v.class_token = c["class_token"];
  v.pos_embed_covers = c["no_embed_class"] ? "patches" : "all";
  v.global_pool = c["global_pool"];
  v.final_norm = c["final_norm"];
  v.fc_norm = c["fc_norm"];
  v.dynamic_img_size = c["dynamic_img_size"];
  return v;
}

nn::VitConfig dinov2_config(const nlohmann::json& c) {
  nn::VitConfig v = vit_config(c);
  v.pos_embed_covers = "class";
  v.mask_token = true;
  v.pos_offset = c["interpolate_offset"];
  v.pos_antialias = c["interpolate_antialias"];
  return v;
}

/// Gradients of the case's parameters; `name_of` gives the case's name of one of ours.
void collect(Results& out, const nn::Vit& model, const Tensor& image, const std::function<std::string(const std::string&)>& name_of) {
  out["grad.image"] = image.grad();
  for (const auto& p : model->named_parameters())
    out["grad." + name_of(p.key())] = p.value().grad().defined() ? p.value().grad() : at::zeros_like(p.value());
}

void token_parts(Results& out, nn::Vit& model, const Tensor& tokens) {
  if (model->config().class_token) out["out.cls"] = model->class_tokens(tokens);
  out["out.reg"] = model->register_tokens(tokens);
  out["out.patch"] = model->patch_tokens(tokens);
}

Results vit(const Case& c) {
  nn::Vit model(timm_config(c.config));
  nn::load_weights(*model, c.below("param."));
  const Tensor image = c.at("in.image").clone().requires_grad_();
  const Tensor tokens = model->forward_tokens(image), pooled = model->pool(tokens);
  const bool of_pooled = c.config.value("grad_of", "tokens") == "pooled";
  (of_pooled ? pooled.sum() : (tokens * c.at("in.cotangent")).sum()).backward();
  Results out{{"out.tokens", tokens}, {"out.pooled", pooled}};
  token_parts(out, model, tokens);
  collect(out, model, image, [](const std::string& name) { return name; });
  return out;
}

Results vit_dinov2(const Case& c) {
  nn::Vit model(dinov2_config(c.config));
  TensorMap weights;
  for (const auto& [name, t] : c.below("param.")) weights.emplace(nn::timm_name(name), t);
  nn::load_weights(*model, weights);
  const Tensor image = c.at("in.image").clone().requires_grad_();
  nn::VitPass pass;
  if (c.has("in.mask")) pass.masks_BN = {c.at("in.mask")};
  const Tensor prenorm = model->forward_prenorm({image}, pass).front(), tokens = model->normalise(prenorm);
  (tokens * c.at("in.cotangent")).sum().backward();
  Results out{{"out.prenorm", prenorm}};
  token_parts(out, model, tokens);
  const std::string ffn = model->config().ffn;
  collect(out, model, image, [&](const std::string& name) { return nn::dinov2_name(name, ffn); });
  return out;
}

Results convert_state_dict(const Case& c) {
  nn::ImportTarget target;
  target.num_heads = c.config["heads"];
  target.img_size = c.config["img_size"].get<std::vector<int64_t>>();
  target.patch_size = c.config["patch_size"];
  nn::ImportedWeights imported = nn::convert_state_dict(c.below("param."), target);
  nn::Vit model(imported.vit());
  nn::load_weights(*model, imported.weights);
  Results out{{"out.tokens", model->forward_tokens(c.at("in.image"))}};
  for (const auto& [name, t] : imported.weights) out["out.weights." + name] = t;
  return out;
}

Results pos_embed_resample(const Case& c) {
  const Tensor table = c.at("in.pos_embed").clone().requires_grad_();
  const nn::PosResample how{c.config["antialias"], c.config.value("offset", 0.0)};
  const Tensor out = nn::resample_pos_embed(table, grid_of(c.config["old_grid"]), grid_of(c.config["new_grid"]), c.config["prefix_tokens"], how);
  (out * c.at("in.cotangent")).sum().backward();
  return {{"out.pos_embed", out}, {"grad.pos_embed", table.grad()}};
}

Results patch_embed_resample(const Case& c) {
  const Tensor weight = c.at("in.weight").clone().requires_grad_();
  const Tensor out = nn::resample_patch_embed(weight, grid_of(c.config["new_size"]), c.config["interpolation"], c.config["antialias"]);
  (out * c.at("in.cotangent")).sum().backward();
  return {{"out.weight", out}, {"grad.weight", weight.grad()}};
}

Results drop_path_subset(const Case& c) {
  const Tensor x = c.at("in.x").clone().requires_grad_(), weight = c.at("in.weight").clone().requires_grad_(), perm = c.at("in.perm");
  const nn::TokenGroups groups{{x.size(0), x.size(1)}};
  std::vector<int64_t> kept(perm.const_data_ptr<int64_t>(), perm.const_data_ptr<int64_t>() + nn::kept_count(x.size(0), c.config["rate"]));
  const Tensor tokens =
      nn::add_on_subset(nn::pack({x}), groups, {kept}, [&](const Tensor& z, const nn::TokenGroups&) { return z.matmul(weight).tanh(); });
  const Tensor y = nn::unpack(tokens, groups).front();
  (y * c.at("in.cotangent")).sum().backward();
  return {{"out.y", y}, {"grad.x", x.grad()}, {"grad.weight", weight.grad()}};
}

}  // namespace

std::vector<Row> nn_rows() {
  return {{"nn.vit", vit},
          {"nn.vit_dinov2", vit_dinov2},
          {"nn.convert_state_dict", convert_state_dict},
          {"nn.pos_embed_resample", pos_embed_resample},
          {"nn.patch_embed_resample", patch_embed_resample},
          {"nn.drop_path_subset", drop_path_subset}};
}

}  // namespace eosin::golden
