#include "core/nn/dinov2_config.h"

#include "core/base/error.h"

#include <nlohmann/json.hpp>

namespace eosin::nn {
namespace {

using OrderedJson = nlohmann::ordered_json;

template <class T>
OrderedJson or_null(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson();
}

/// What both have beside the arguments, for our own reader.
void add_images(OrderedJson& out, const EncoderSpec& spec) {
  const VitConfig& vit = spec.vit();
  out["feature_pool"] = vit.global_pool;
  out["pos_embed_resample"] = {{"offset", vit.pos_offset}, {"antialias", vit.pos_antialias}};
  out["pretrained_cfg"] = {{"input_size", {vit.in_chans, spec.shown_size()[0], spec.shown_size()[1]}},
                           {"interpolation", spec.interpolation},
                           {"crop_pct", spec.crop_pct},
                           {"mean", spec.mean},
                           {"std", spec.std}};
}

double ratio(const VitConfig& vit) { return static_cast<double>(vit.mlp_hidden) / static_cast<double>(vit.embed_dim); }

}  // namespace

OrderedJson dinov2_config(const EncoderSpec& spec) {
  const VitConfig& vit = spec.vit();
  EOSIN_CHECK(vit.norm_eps == 1e-6, Config, "[export] DINOv2's code has norm_eps 1e-6 (got {}); export with format=hf", vit.norm_eps);
  OrderedJson out;
  out["architecture"] = "dinov2";
  out["model_args"] = {{"img_size", vit.img_size},
                       {"patch_size", vit.patch_size},
                       {"in_chans", vit.in_chans},
                       {"embed_dim", vit.embed_dim},
                       {"depth", vit.depth},
                       {"num_heads", vit.num_heads},
                       {"mlp_ratio", ratio(vit)},
                       {"ffn_layer", vit.ffn == "swiglu" ? "swiglufused" : "mlp"},
                       {"qkv_bias", vit.qkv_bias},
                       {"init_values", or_null(vit.init_values)},
                       {"block_chunks", 0},
                       {"num_register_tokens", vit.reg_tokens},
                       {"interpolate_offset", vit.pos_offset},
                       {"interpolate_antialias", vit.pos_antialias}};
  add_images(out, spec);
  return out;
}

OrderedJson dinov3_config(const EncoderSpec& spec) {
  const VitConfig& vit = spec.vit();
  EOSIN_CHECK(vit.norm_eps == 1e-6 || vit.norm_eps == 1e-5, Config,
              "[export] DINOv3's code has norm_eps 1e-6 or 1e-5 (got {}); export with format=hf", vit.norm_eps);
  const bool gated = vit.ffn == "swiglu";
  OrderedJson out;
  out["architecture"] = "dinov3";
  out["model_args"] = {{"img_size", vit.img_size},
                       {"patch_size", vit.patch_size},
                       {"in_chans", vit.in_chans},
                       {"pos_embed_rope_base", vit.rope.min_period ? OrderedJson() : OrderedJson(vit.rope.base)},
                       {"pos_embed_rope_min_period", or_null(vit.rope.min_period)},
                       {"pos_embed_rope_max_period", or_null(vit.rope.max_period)},
                       {"pos_embed_rope_normalize_coords", vit.rope.normalize},
                       {"pos_embed_rope_shift_coords", or_null(vit.rope.shift)},
                       {"pos_embed_rope_jitter_coords", or_null(vit.rope.jitter)},
                       {"pos_embed_rope_rescale_coords", or_null(vit.rope.rescale)},
                       {"embed_dim", vit.embed_dim},
                       {"depth", vit.depth},
                       {"num_heads", vit.num_heads},
                       {"ffn_ratio", gated ? 1.5 * ratio(vit) : ratio(vit)},  // two thirds of it are the width of SwiGLU
                       {"ffn_layer", gated ? "swiglu" : "mlp"},
                       {"qkv_bias", vit.qkv_bias},
                       {"layerscale_init", or_null(vit.init_values)},
                       {"norm_layer", vit.norm_eps == 1e-6 ? "layernorm" : "layernormbf16"},
                       {"n_storage_tokens", vit.reg_tokens},
                       {"mask_k_bias", vit.zero_k_bias},
                       {"untie_cls_and_patch_norms", vit.prefix_norm}};
  add_images(out, spec);
  return out;
}

RopeConfig rope_of_dinov3(const nlohmann::json& args) {
  const auto number = [&](const char* key) {
    const auto it = args.find(std::string("pos_embed_rope_") + key);
    return it == args.end() || it->is_null() ? std::nullopt : std::optional<double>(it->get<double>());
  };
  RopeConfig rope;
  rope.base = number("base").value_or(rope.base);
  rope.min_period = number("min_period");
  rope.max_period = number("max_period");
  rope.normalize = args.value("pos_embed_rope_normalize_coords", rope.normalize);
  rope.shift = number("shift_coords");
  rope.jitter = number("jitter_coords");
  rope.rescale = number("rescale_coords");
  return rope;
}

}  // namespace eosin::nn
