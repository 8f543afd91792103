#include "core/nn/hf_config.h"

#include "core/base/error.h"
#include "core/nn/weight_export.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace eosin::nn {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

// The numbers of Pillow's filters.
constexpr int kBilinear = 2, kBicubic = 3;

template <class Body>
void guarded(const std::string& where, Body body) {
  try {
    body();
  } catch (const Json::exception& e) {
    fail(ErrorKind::Data, "[{}] not a config of transformers: {}", where, e.what());
  }
}

/// transformers derives Dinov2's width inside: int(D ratio), for SwiGLU two thirds of that rounded up to a multiple of 8.
OrderedJson dinov2_ratio(const VitConfig& vit) {
  const bool gated = vit.ffn == "swiglu";
  EOSIN_CHECK(!gated || vit.mlp_hidden % 8 == 0, Config,
              "[export] transformers rounds the width of SwiGLU to a multiple of 8 (got {}); export with format=timm", vit.mlp_hidden);
  const int64_t wide = gated ? (3 * vit.mlp_hidden + 1) / 2 : vit.mlp_hidden;
  if (wide % vit.embed_dim == 0) return wide / vit.embed_dim;
  return (static_cast<double>(wide) + 0.5) / static_cast<double>(vit.embed_dim);
}

const char* architecture(const std::string& type) {
  static const std::map<std::string, const char*> names = {
      {"vit", "ViTModel"}, {"dinov2", "Dinov2Model"}, {"dinov2_with_registers", "Dinov2WithRegistersModel"}, {"dinov3_vit", "DINOv3ViTModel"}};
  return names.at(type);
}

OrderedJson image_size(const VitConfig& vit) { return vit.img_size[0] == vit.img_size[1] ? OrderedJson(vit.img_size[0]) : OrderedJson(vit.img_size); }

std::vector<int64_t> pair_of(const Json& value) {
  if (value.is_number_integer()) return std::vector<int64_t>(2, value.get<int64_t>());
  return value.get<std::vector<int64_t>>();
}

}  // namespace

bool is_hf_config(const Json& config) { return config.contains("model_type") && !config.contains("architecture"); }

OrderedJson hf_config(const EncoderSpec& spec) {
  const VitConfig& vit = spec.vit();
  const std::string type = hf_model_type(vit);
  OrderedJson out = {{"architectures", {architecture(type)}}, {"model_type", type},
                     {"hidden_size", vit.embed_dim},          {"num_hidden_layers", vit.depth},
                     {"num_attention_heads", vit.num_heads},  {"image_size", image_size(vit)},
                     {"patch_size", vit.patch_size},          {"num_channels", vit.in_chans},
                     {"layer_norm_eps", vit.norm_eps},        {"hidden_act", type == "dinov3_vit" && vit.ffn == "swiglu" ? "silu" : "gelu"}};
  if (type == "dinov3_vit") {
    out.update({{"intermediate_size", vit.mlp_hidden},
                {"use_gated_mlp", vit.ffn == "swiglu"},
                {"query_bias", vit.qkv_bias},
                {"key_bias", vit.qkv_bias && !vit.zero_k_bias},
                {"value_bias", vit.qkv_bias},
                {"rope_theta", vit.rope.base},
                {"num_register_tokens", vit.reg_tokens}});
  } else {
    out["qkv_bias"] = vit.qkv_bias;
    if (type == "vit")
      out["intermediate_size"] = vit.mlp_hidden;
    else
      out.update({{"mlp_ratio", dinov2_ratio(vit)}, {"use_swiglu_ffn", vit.ffn == "swiglu"}});
    if (vit.reg_tokens > 0) out["num_register_tokens"] = vit.reg_tokens;
  }
  // transformers resamples positions its own way and leaves pooling to the caller; a reader that can do better finds both here.
  out["pos_embed_resample"] = {{"offset", vit.pos_offset}, {"antialias", vit.pos_antialias}};
  out["feature_pool"] = vit.global_pool;
  return out;
}

OrderedJson hf_preprocessor(const EncoderSpec& spec) {
  const std::vector<int64_t> size = spec.shown_size();
  const int64_t edge = std::llround(static_cast<double>(std::min(size[0], size[1])) / spec.crop_pct);
  return {{"image_processor_type", "BitImageProcessor"},
          {"do_convert_rgb", true},
          {"do_resize", true},
          {"size", {{"shortest_edge", edge}}},
          {"resample", spec.interpolation == "bilinear" ? kBilinear : kBicubic},
          {"do_center_crop", true},
          {"crop_size", {{"height", size[0]}, {"width", size[1]}}},
          {"do_rescale", true},
          {"rescale_factor", 1.0 / 255.0},
          {"do_normalize", true},
          {"image_mean", spec.mean},
          {"image_std", spec.std}};
}

ImportTarget import_target_of_hf(const Json& config, const std::string& where) {
  ImportTarget target;
  guarded(where, [&] {
    const std::string activation = config.value("hidden_act", "gelu");
    EOSIN_CHECK(activation == "gelu" || activation == "silu", Config, "[{}] hidden_act '{}' (need gelu, or silu in a gated network)", where,
                activation);
    target.num_heads = config.at("num_attention_heads").get<int64_t>();
    if (config.contains("image_size")) target.source_size = pair_of(config["image_size"]);
    if (config.contains("layer_norm_eps")) target.norm_eps = config["layer_norm_eps"].get<double>();
    if (config.contains("rope_theta")) target.rope.emplace().base = config["rope_theta"].get<double>();
  });
  return target;
}

void apply_hf_config(EncoderSpec& spec, const Json& config, const Json& preprocessor, const std::string& where) {
  guarded(where, [&] {
    spec.vit().global_pool = config.value("feature_pool", spec.vit().global_pool);
    if (config.contains("pos_embed_resample")) {
      spec.vit().pos_offset = config["pos_embed_resample"].at("offset").get<double>();
      spec.vit().pos_antialias = config["pos_embed_resample"].at("antialias").get<bool>();
    }
    if (preprocessor.is_null()) return;
    spec.mean = preprocessor.value("image_mean", spec.mean);
    spec.std = preprocessor.value("image_std", spec.std);
    if (preprocessor.contains("resample")) spec.interpolation = preprocessor["resample"].get<int>() == kBilinear ? "bilinear" : "bicubic";
    const Json size = preprocessor.value("size", Json::object()), crop = preprocessor.value("crop_size", Json::object());
    if (preprocessor.value("do_center_crop", false) && size.is_object() && size.contains("shortest_edge") && crop.is_object() &&
        crop.contains("height")) {
      spec.show({crop["height"].get<int64_t>(), crop.at("width").get<int64_t>()});
      const auto shown = static_cast<double>(std::min(spec.shown_size()[0], spec.shown_size()[1]));
      spec.crop_pct = shown / size["shortest_edge"].get<double>();
    }
    EOSIN_CHECK(spec.mean.size() == 3 && spec.std.size() == 3, Data, "[{}] mean and std have {} and {} numbers (need 3)", where, spec.mean.size(),
                spec.std.size());
  });
  spec.vit().check();
}

}  // namespace eosin::nn
