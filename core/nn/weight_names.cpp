#include "core/nn/weight_names.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::nn {
namespace {

bool has(const TensorMap& weights, const std::string& name) { return weights.count(name) > 0; }
bool has_match(const TensorMap& weights, const std::regex& pattern) {
  return std::any_of(weights.begin(), weights.end(), [&](const auto& item) { return std::regex_search(item.first, pattern); });
}

/// Keeps the keys that begin with `prefix`, without it; the others are dropped.
void descend(TensorMap& weights, const std::string& prefix, std::vector<std::string>& dropped) {
  TensorMap kept;
  for (auto& [name, t] : weights) {
    if (name.starts_with(prefix))
      kept.emplace(name.substr(prefix.size()), t);
    else
      dropped.push_back(name);
  }
  weights = std::move(kept);
}

bool holds_encoder_below(const TensorMap& weights, const std::string& prefix) {
  for (auto it = weights.lower_bound(prefix); it != weights.end() && it->first.starts_with(prefix); ++it)
    if (is_encoder_key(it->first)) return true;
  return false;
}

KeyWords dinov2_words() {
  return {{std::regex(R"(blocks\.\d+\.(\d+)\.)"), "blocks.$1."},
          {std::regex(R"(\.mlp\.w12\.)"), ".mlp.fc1."},
          {std::regex(R"(\.mlp\.w3\.)"), ".mlp.fc2."},
          {std::regex("^register_tokens$"), "reg_token"}};
}

KeyWords dinov3_words() {
  return {{std::regex("^storage_tokens$"), "reg_token"},
          {std::regex(R"(blocks\.\d+\.(\d+)\.)"), "blocks.$1."},
          {std::regex(R"(\.mlp\.w1\.)"), ".mlp.gate."},
          {std::regex(R"(\.mlp\.w2\.)"), ".mlp.up."},
          {std::regex(R"(\.mlp\.w3\.)"), ".mlp.fc2."}};
}

KeyWords eva_words() {
  return {{std::regex(R"(\.gamma_([12])$)"), ".ls$1.gamma"},
          {std::regex(R"(\.attn\.([qkv])_bias$)"), ".attn.$1.bias"},
          {std::regex(R"(\.attn\.([qkv])_proj\.)"), ".attn.$1."},
          {std::regex(R"(\.mlp\.fc1_g\.)"), ".mlp.gate."},
          {std::regex(R"(\.mlp\.fc1_x\.)"), ".mlp.up."}};
}

/// The published names and those inside transformers 5.
KeyWords hf_words() {
  return {{std::regex(R"(^embeddings\.patch_embeddings\.(projection\.)?)"), "patch_embed.proj."},
          {std::regex(R"(^embeddings\.position_embeddings$)"), "pos_embed"},
          {std::regex(R"(^embeddings\.register_tokens$)"), "reg_token"},
          {std::regex(R"(^embeddings\.)"), ""},
          {std::regex(R"(^(model\.)?(encoder\.)?layers?\.(\d+)\.)"), "blocks.$3."},
          {std::regex(R"(\.attention\.(attention\.)?(q|k|v)(uery|ey|alue|_proj)\.)"), ".attn.$2."},
          {std::regex(R"(\.attention\.(output\.dense|o_proj)\.)"), ".attn.proj."},
          {std::regex(R"(\.layernorm_before\.)"), ".norm1."},
          {std::regex(R"(\.layernorm_after\.)"), ".norm2."},
          {std::regex(R"(\.(intermediate\.dense|mlp\.weights_in)\.)"), ".mlp.fc1."},
          {std::regex(R"(\.(output\.dense|mlp\.weights_out|mlp\.down_proj)\.)"), ".mlp.fc2."},
          {std::regex(R"(\.mlp\.(gate|up)_proj\.)"), ".mlp.$1."},
          {std::regex(R"(\.layer_scale([12])\.lambda1$)"), ".ls$1.gamma"},
          {std::regex(R"(^layernorm\.)"), "norm."}};
}

bool is_hf(const TensorMap& weights) { return has(weights, "embeddings.patch_embeddings.projection.weight"); }

/// CONCH's image tower: timm's trunk and the pooler of its contrastive feature.
KeyWords conch_words() {
  return {{std::regex(R"(^visual\.trunk\.)"), ""},
          {std::regex(R"(^visual\.attn_pool_contrast\.)"), "attn_pool."},
          {std::regex(R"(^visual\.ln_contrast\.)"), "attn_pool.norm."}};
}

bool is_dinov2(const TensorMap& weights) {
  static const std::regex chunked(R"(^blocks\.\d+\.\d+\.)");
  return has(weights, "mask_token") || has(weights, "register_tokens") || has(weights, "blocks.0.mlp.w12.weight") || has_match(weights, chunked);
}

/// Concatenates the parts of one linear layer into `whole`; a part's missing bias is zero.
void pack(TensorMap& weights, const std::string& stem, const std::vector<std::string>& parts, const std::string& whole) {
  for (const char* kind : {".weight", ".bias"}) {
    std::vector<Tensor> found;
    Tensor example;
    for (const std::string& part : parts) {
      const auto node = weights.extract(stem + part + kind);
      found.push_back(node.empty() ? Tensor() : node.mapped());
      if (found.back().defined()) example = found.back();
    }
    if (!example.defined()) continue;
    for (Tensor& t : found)
      if (!t.defined()) t = at::zeros_like(example);
    weights[stem + whole + kind] = at::cat(found);
  }
}

/// True where the keys' bias is no weight: DINOv3 masks it by a buffer, other libraries leave it out.
bool take_key_bias_mask(TensorMap& weights, const std::string& stem) {
  const auto mask = weights.extract(stem + "qkv.bias_mask");
  if (mask.empty()) return has(weights, stem + "q.bias") && !has(weights, stem + "k.bias");
  Tensor& bias = weights.at(stem + "qkv.bias");
  bias = at::where(mask.mapped().to(at::kBool), bias, at::zeros_like(bias));
  return true;
}

const WeightOrigin& recognised(const TensorMap& weights, bool self_supervised) {
  for (const WeightOrigin& origin : weight_origins())
    if (origin.recognises(weights, self_supervised)) return origin;
  return weight_origins().back();
}

}  // namespace

std::string replaced(std::string key, const KeyWords& words) {
  for (const auto& [from, to] : words) key = std::regex_replace(key, from, to);
  return key;
}

const std::vector<WeightOrigin>& weight_origins() {
  static const std::vector<WeightOrigin> rows = {
      {"hf_dinov3",
       "transformers' DINOv3ViTModel",
       "Simeoni 2025, arXiv:2508.10104",
       [](const TensorMap& w, bool) { return has(w, "embeddings.patch_embeddings.weight"); },
       hf_words(),
       {},
       1e-5,
       false,
       true},
      {"hf_dinov2_reg",
       "transformers' Dinov2WithRegistersModel",
       "Darcet 2023, arXiv:2309.16588",
       [](const TensorMap& w, bool) { return is_hf(w) && has(w, "embeddings.register_tokens"); },
       hf_words(),
       {true, 0},
       1e-6,
       true},
      {"hf_dinov2",
       "transformers' Dinov2Model",
       "Oquab 2023, arXiv:2304.07193",
       [](const TensorMap& w, bool) { return is_hf(w) && has(w, "encoder.layer.0.layer_scale1.lambda1"); },
       hf_words(),
       {false, 0},
       1e-6},
      {"hf_vit",
       "transformers' ViTModel, and the encoder of its ViTMAE",
       "Dosovitskiy 2021, arXiv:2010.11929",
       [](const TensorMap& w, bool) { return is_hf(w); },
       hf_words(),
       {false, 0},
       1e-12},
      {"conch",
       "CONCH's own code, the image tower",
       "Lu 2024, Nat. Med. 30",
       [](const TensorMap& w, bool) { return has(w, "visual.attn_pool_contrast.query") && has(w, "visual.trunk.patch_embed.proj.weight"); },
       conch_words(),
       {true, 0},
       1e-6},
      {"dinov3",
       "DINOv3's own code",
       "Simeoni 2025, arXiv:2508.10104",
       [](const TensorMap& w, bool) { return has(w, "storage_tokens") || has(w, "rope_embed.periods"); },
       dinov3_words(),
       {},
       1e-5,
       false,
       true},
      {"timm_eva",
       "timm's Eva, which has its DINOv3 models",
       "Wightman, timm",
       [](const TensorMap& w, bool) { return has(w, "blocks.0.gamma_1") && !has(w, "pos_embed"); },
       eva_words(),
       {},
       1e-5,
       false,
       true},
      {"mae",
       "MAE's own code, the encoder",
       "He 2022, arXiv:2111.06377",
       [](const TensorMap& w, bool) { return has(w, "decoder_pos_embed") || has(w, "decoder_embed.weight"); },
       {{std::regex("^mask_token$"), "decoder_mask_token"}},
       {true, 0},
       1e-6},
      {"dinov2_reg",
       "DINOv2's own code, with registers",
       "Darcet 2023, arXiv:2309.16588",
       [](const TensorMap& w, bool) { return is_dinov2(w) && has(w, "register_tokens"); },
       dinov2_words(),
       {true, 0},
       1e-6,
       true},
      {"dinov2",
       "DINOv2's own code: releases and training checkpoints",
       "Oquab 2023, arXiv:2304.07193",
       [](const TensorMap& w, bool) { return is_dinov2(w); },
       dinov2_words(),
       {false, 0.1},
       1e-6},
      {"dino",
       "DINO's and iBOT's training checkpoints",
       "Caron 2021, arXiv:2104.14294",
       [](const TensorMap&, bool self_supervised) { return self_supervised; },
       {{std::regex("^masked_embed$"), "mask_token"}},
       {false, 0.1},
       1e-6},
      {"timm", "timm's VisionTransformer", "Wightman, timm", [](const TensorMap&, bool) { return true; }, {}, {true, 0}, 1e-6},
  };
  return rows;
}

bool is_encoder_key(const std::string& key) {
  for (const char* end :
       {"patch_embed.proj.weight", "patch_embeddings.projection.weight", "embeddings.patch_embeddings.weight", "layer1.0.conv1.weight",
        "stages.0.blocks.0.conv_dw.weight", "stages.0.0.dwconv.weight", "layers.0.blocks.0.attn.relative_position_bias_table"})
    if (key.ends_with(end)) return true;
  return false;
}

bool unwrap(TensorMap& weights, std::vector<std::string>& dropped) {
  bool self_supervised = false;
  for (bool again = true; again;) {
    again = false;
    for (const char* prefix : {"state_dict.", "model.", "module.", "_orig_mod.", "teacher.", "student.", "backbone.", "vit.", "dinov2.",
                               "dinov2_with_registers.", "dinov3_vit.", "base_encoder.", "encoder_q."}) {
      if (!holds_encoder_below(weights, prefix)) continue;
      const std::string p = prefix;
      self_supervised |= p == "teacher." || p == "student." || p == "backbone.";
      descend(weights, p, dropped);
      again = true;
      break;
    }
  }
  return self_supervised;
}

NamedWeights to_timm_names(const TensorMap& source, bool mask_token) {
  static const std::regex no_encoder(
      R"(^(head|head_dist|pooler|classifier|local_cls_norm|decoder|decoder_\w+|visual|text|text_decoder|logit_scale)(\.|$))");
  NamedWeights named;
  TensorMap theirs = source;
  const bool self_supervised = unwrap(theirs, named.dropped);
  named.origin = &recognised(theirs, self_supervised);
  for (const auto& [name, t] : theirs) {
    const std::string ours = replaced(name, named.origin->words);
    const bool empty = ours == "reg_token" && t.numel() == 0 && named.origin->rotary;  // transformers writes them also where there are none
    if (empty || std::regex_search(ours, no_encoder) || (ours == "mask_token" && !mask_token))
      named.dropped.push_back(name);
    else
      named.weights.emplace(ours, ours == "mask_token" ? t.reshape({1, -1}) : t);
  }
  for (int64_t i = 0; has(named.weights, fmt::format("blocks.{}.norm1.weight", i)); ++i) {
    const std::string attn = fmt::format("blocks.{}.attn.", i), mlp = fmt::format("blocks.{}.mlp.", i);
    named.zero_k_bias |= take_key_bias_mask(named.weights, attn);
    pack(named.weights, attn, {"q", "k", "v"}, "qkv");
    pack(named.weights, mlp, has(named.weights, mlp + "gate.weight") ? std::vector<std::string>{"gate", "up"} : std::vector<std::string>{"up"},
         "fc1");
  }
  return named;
}

std::string timm_name(const std::string& name) {
  static const KeyWords words = dinov2_words();
  return replaced(name, words);
}

}  // namespace eosin::nn
