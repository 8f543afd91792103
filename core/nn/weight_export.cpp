#include "core/nn/weight_export.h"

#include "core/base/error.h"
#include "core/nn/weight_names.h"

#include <ATen/ATen.h>

#include <regex>

namespace eosin::nn {
namespace {

/// Takes a packed linear layer apart: "<before>PACKED<after>" becomes "<before>PART<after>" for each part. False for another name.
bool add_parts(TensorMap& out, const std::string& name, const Tensor& t, const std::string& packed, const std::vector<std::string>& parts) {
  const size_t at = name.find(packed);
  if (at == std::string::npos) return false;
  const std::vector<Tensor> split = t.chunk(static_cast<int64_t>(parts.size()));
  for (size_t i = 0; i < parts.size(); ++i) out[name.substr(0, at) + parts[i] + name.substr(at + packed.size())] = split[i].contiguous();
  return true;
}

/// Libraries expect the token that masks patches, also of a model that was trained without one.
void add_mask_token(TensorMap& weights, const std::string& name, const std::string& class_token, at::IntArrayRef shape) {
  if (!weights.count(name)) weights[name] = at::zeros(shape, weights.at(class_token).options());
}

/// A position table with a row of zeros for the class token, where the model's has none.
void add_class_position(TensorMap& weights, const VitConfig& config, const std::string& table) {
  if (config.pos_prefix() > 0) return;
  Tensor& rows = weights.at(table);
  rows = at::cat({at::zeros({1, 1, rows.size(2)}, rows.options()), rows}, 1);
}

KeyWords hf_vit_words() {
  return {{std::regex(R"(\.norm1\.)"), ".layernorm_before."},
          {std::regex(R"(\.norm2\.)"), ".layernorm_after."},
          {std::regex(R"(\.attn\.proj\.)"), ".attention.output.dense."},
          {std::regex(R"(\.mlp\.fc1\.)"), ".intermediate.dense."},
          {std::regex(R"(\.mlp\.fc2\.)"), ".output.dense."}};
}
KeyWords hf_dinov2_words(bool gated) {
  return {{std::regex(R"(\.attn\.proj\.)"), ".attention.output.dense."},
          {std::regex(R"(\.mlp\.fc1\.)"), gated ? ".mlp.weights_in." : ".mlp.fc1."},
          {std::regex(R"(\.mlp\.fc2\.)"), gated ? ".mlp.weights_out." : ".mlp.fc2."}};
}
KeyWords hf_dinov3_words() {
  return {{std::regex(R"(\.projection\.)"), "."},           {std::regex(R"(^encoder\.)"), ""},
          {std::regex(R"(^layernorm\.)"), "norm."},         {std::regex(R"(\.attn\.proj\.)"), ".attention.o_proj."},
          {std::regex(R"(\.mlp\.fc1\.)"), ".mlp.up_proj."}, {std::regex(R"(\.mlp\.fc2\.)"), ".mlp.down_proj."}};
}

/// What all of transformers' classes share, then the class's own words.
KeyWords to_hf_words(const std::string& type, bool gated) {
  KeyWords words = {{std::regex(R"(^patch_embed\.proj\.)"), "embeddings.patch_embeddings.projection."},
                    {std::regex("^(cls_token|mask_token)$"), "embeddings.$1"},
                    {std::regex("^reg_token$"), "embeddings.register_tokens"},
                    {std::regex("^pos_embed$"), "embeddings.position_embeddings"},
                    {std::regex(R"(^blocks\.)"), "encoder.layer."},
                    {std::regex(R"(\.ls([12])\.gamma$)"), ".layer_scale$1.lambda1"},
                    {std::regex(R"(^norm\.)"), "layernorm."}};
  const KeyWords own = type == "vit" ? hf_vit_words() : type == "dinov3_vit" ? hf_dinov3_words() : hf_dinov2_words(gated);
  words.insert(words.end(), own.begin(), own.end());
  return words;
}

}  // namespace

TensorMap to_timm(const TensorMap& weights) {
  TensorMap out = weights;
  out.erase("mask_token");
  return out;
}

std::string dinov2_name(const std::string& name, const std::string& ffn) {
  if (name == "reg_token") return "register_tokens";
  if (ffn != "swiglu") return name;
  static const KeyWords words = {{std::regex(R"(\.mlp\.fc1\.)"), ".mlp.w12."}, {std::regex(R"(\.mlp\.fc2\.)"), ".mlp.w3."}};
  return replaced(name, words);
}

TensorMap to_dinov2(const TensorMap& weights, const VitConfig& config) {
  EOSIN_CHECK(!config.rope.enabled, Config, "[export] DINOv2's code has no rotary positions; export with format=dinov3");
  EOSIN_CHECK(config.class_token && config.final_norm && !config.fc_norm && !config.prefix_norm && !config.qk_norm, Config,
              "[export] DINOv2's code needs a class token and a final norm, and has no fc_norm, prefix_norm or qk_norm; export with format=timm");
  EOSIN_CHECK(config.reg_tokens == 0 || config.pos_embed_covers != "all", Config,
              "[export] DINOv2's registers have no position; export with format=timm");
  TensorMap out;
  for (const auto& [name, t] : weights) out.emplace(dinov2_name(name, config.ffn), t);
  add_mask_token(out, "mask_token", "cls_token", {1, config.embed_dim});
  add_class_position(out, config, "pos_embed");
  return out;
}

TensorMap to_dinov3(const TensorMap& weights, const VitConfig& config) {
  EOSIN_CHECK(config.rope.enabled && !config.has_pos_embed() && config.class_token && config.final_norm && !config.fc_norm && !config.qk_norm, Config,
              "[export] DINOv3's code needs rope, a class token and a final norm, and has no learned positions, fc_norm or qk_norm; "
              "export with format=dinov2 or timm");
  const bool gated = config.ffn == "swiglu";
  const KeyWords words = {{std::regex("^reg_token$"), "storage_tokens"}, {std::regex(R"(\.mlp\.fc2\.)"), gated ? ".mlp.w3." : ".mlp.fc2."}};
  TensorMap out;
  for (const auto& [name, t] : weights) {
    if (!gated || !add_parts(out, name, t, ".mlp.fc1.", {".mlp.w1.", ".mlp.w2."})) out[replaced(name, words)] = t;
    if (!config.zero_k_bias || !name.ends_with(".attn.qkv.bias")) continue;
    const Tensor ones = at::ones({config.embed_dim}, t.options());
    out[name + "_mask"] = at::cat({ones, at::zeros_like(ones), ones});
  }
  add_mask_token(out, "mask_token", "cls_token", {1, config.embed_dim});
  return out;
}

std::string hf_model_type(const VitConfig& config) {
  EOSIN_CHECK(
      config.class_token && config.final_norm && !config.fc_norm && !config.prefix_norm && !config.qk_norm, Config,
      "[export] transformers' models need a class token and a final norm, and have no fc_norm, prefix_norm or qk_norm; export with format=timm");
  if (config.rope.enabled) {
    EOSIN_CHECK(!config.has_pos_embed() && config.init_values && !config.rope.min_period && config.rope.normalize == "separate", Config,
                "[export] transformers' DINOv3ViT has LayerScale, periods from rope.base, and no learned positions; export with format=dinov3");
    return "dinov3_vit";
  }
  EOSIN_CHECK(config.reg_tokens == 0 || config.pos_embed_covers != "all", Config,
              "[export] transformers' registers have no position; export with format=timm");
  if (config.init_values) return config.reg_tokens > 0 ? "dinov2_with_registers" : "dinov2";
  EOSIN_CHECK(config.reg_tokens == 0 && config.ffn == "mlp", Config,
              "[export] transformers' ViT has no registers and no SwiGLU, and its Dinov2 needs LayerScale; export with format=timm");
  return "vit";
}

TensorMap to_hf(const TensorMap& weights, const VitConfig& config) {
  const std::string type = hf_model_type(config);
  const bool v3 = type == "dinov3_vit", gated = config.ffn == "swiglu";
  const KeyWords words = to_hf_words(type, gated);
  const std::string attention = v3 ? ".attention." : ".attention.attention.";
  const std::vector<std::string> qkv = v3 ? std::vector<std::string>{".attention.q_proj.", ".attention.k_proj.", ".attention.v_proj."}
                                          : std::vector<std::string>{attention + "query.", attention + "key.", attention + "value."};
  TensorMap out;
  for (const auto& [name, t] : weights) {
    if (name == "rope_embed.periods") continue;  // rope_theta of config.json says them
    const std::string theirs = replaced(name, words);
    if (add_parts(out, theirs, t, ".attn.qkv.", qkv)) continue;
    if (v3 && gated && add_parts(out, theirs, t, ".mlp.up_proj.", {".mlp.gate_proj.", ".mlp.up_proj."})) continue;
    out[theirs] = v3 && name == "mask_token" ? t.view({1, 1, -1}) : t;
  }
  if (v3 && config.zero_k_bias) std::erase_if(out, [](const auto& item) { return item.first.ends_with(".k_proj.bias"); });
  if (v3 && config.reg_tokens == 0) out["embeddings.register_tokens"] = at::zeros({1, 0, config.embed_dim}, out.at("norm.weight").options());
  if (type == "vit")
    out.erase("embeddings.mask_token");  // ViTModel makes one only when told
  else
    add_mask_token(out, "embeddings.mask_token", "embeddings.cls_token",
                   v3 ? std::vector<int64_t>{1, 1, config.embed_dim} : std::vector<int64_t>{1, config.embed_dim});
  if (!v3) add_class_position(out, config, "embeddings.position_embeddings");
  return out;
}

}  // namespace eosin::nn
