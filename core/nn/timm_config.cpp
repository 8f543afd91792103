#include "core/nn/timm_config.h"

#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/dinov2_config.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace eosin::nn {
namespace {

using Json = nlohmann::json;

const BackboneRow& nearest_row(const VitConfig& vit) {
  const BackboneRow* best = nullptr;
  int64_t nearest = 0;
  for (const BackboneRow& row : backbones()) {
    const auto* known = std::get_if<VitConfig>(&row.model);
    if (!known || known->ffn != vit.ffn) continue;
    const int64_t distance = std::abs(known->embed_dim - vit.embed_dim) + std::abs(known->depth - vit.depth);
    if (!best || distance < nearest) best = &row, nearest = distance;
  }
  EOSIN_ASSERT(best);
  return *best;
}

/// The ratio whose product with the width truncates to `hidden` in timm.
double mlp_ratio(int64_t hidden, int64_t width) {
  const auto h = static_cast<double>(hidden), w = static_cast<double>(width);
  return static_cast<int64_t>(w * (h / w)) == hidden ? h / w : (h + 0.5) / w;
}

/// timm pools one way; both side by side are ours.
std::string timm_pool(const VitConfig& vit) { return vit.global_pool == "token_avg" ? "token" : vit.global_pool; }

nlohmann::ordered_json model_args(const VitConfig& vit) {
  const bool gated = vit.ffn == "swiglu";  // timm counts a packed SwiGLU's width before gating
  return {{"img_size", vit.img_size},
          {"patch_size", vit.patch_size},
          {"in_chans", vit.in_chans},
          {"embed_dim", vit.embed_dim},
          {"depth", vit.depth},
          {"num_heads", vit.num_heads},
          {"mlp_ratio", mlp_ratio(gated ? 2 * vit.mlp_hidden : vit.mlp_hidden, vit.embed_dim)},
          {"qkv_bias", vit.qkv_bias},
          {"qk_norm", vit.qk_norm},
          {"init_values", vit.init_values ? nlohmann::ordered_json(*vit.init_values) : nlohmann::ordered_json()},
          {"class_token", vit.class_token},
          {"no_embed_class", vit.pos_embed_covers == "patches"},
          {"reg_tokens", vit.reg_tokens},
          {"final_norm", vit.final_norm || vit.fc_norm},  // timm: whether there is a norm at all; fc_norm moves it behind the pooling
          {"fc_norm", vit.fc_norm},
          {"global_pool", timm_pool(vit)},
          {"dynamic_img_size", vit.dynamic_img_size}};
}

/// "vit_small_patch16_224.augreg" -> the row named vit_small.
const BackboneRow* row_of_architecture(const std::string& architecture) {
  for (const BackboneRow& row : backbones())
    if (architecture.rfind(row.timm_name.substr(0, row.timm_name.find("_patch")) + "_", 0) == 0 && row.timm_name.find("dinov2") == std::string::npos)
      return &row;
  return nullptr;
}

std::vector<int64_t> pair_of(const Json& value) {
  if (value.is_number_integer()) return std::vector<int64_t>(2, value.get<int64_t>());
  return value.get<std::vector<int64_t>>();
}

/// The block that holds mean and std: nested in newer files, the whole object in older ones.
const Json& preprocessing(const Json& config) {
  const auto it = config.find("pretrained_cfg");
  return it == config.end() ? config : *it;
}

template <class Body>
void guarded(const std::string& where, Body body) {
  try {
    body();
  } catch (const Json::exception& e) {
    fail(ErrorKind::Data, "[{}] not a timm config.json: {}", where, e.what());
  }
}

}  // namespace

namespace {

/// What every config.json says of the images.
nlohmann::ordered_json pretrained_cfg(const EncoderSpec& spec, int64_t in_chans, bool fixed_size) {
  return {{"tag", "eosin"},
          {"custom_load", false},
          {"input_size", {in_chans, spec.shown_size()[0], spec.shown_size()[1]}},
          {"fixed_input_size", fixed_size},
          {"interpolation", spec.interpolation},
          {"crop_pct", spec.crop_pct},
          {"crop_mode", "center"},
          {"mean", spec.mean},
          {"std", spec.std},
          {"num_classes", 0},
          {"pool_size", nullptr}};
}

nlohmann::ordered_json vit_config(const EncoderSpec& spec) {
  const VitConfig& vit = spec.vit();
  EOSIN_CHECK(!vit.rope.enabled && !vit.prefix_norm, Config,
              "[export] timm's VisionTransformer has no rotary positions and no prefix_norm; export with format=dinov3 or hf");
  EOSIN_CHECK(vit.norm_eps == 1e-6, Config, "[export] timm's config.json cannot say norm_eps {} (need 1e-6); export with format=hf", vit.norm_eps);
  EOSIN_CHECK(vit.pos_embed_covers != "class" || vit.reg_tokens == 0, Config,
              "[export] timm has no positions for class and patches beside registers; export with format=dinov2");
  EOSIN_CHECK(!vit.final_norm || !vit.fc_norm, Config, "[export] timm has one norm, before or after the pooling; this model has both");
  EOSIN_CHECK(vit.attention_pool.dim == 0, Config, "[export] timm has no pooler like this model's; export with format=eosin");
  nlohmann::ordered_json out;
  out["architecture"] = nearest_row(vit).timm_name;
  out["num_classes"] = 0;
  out["num_features"] = vit.embed_dim;
  out["global_pool"] = timm_pool(vit);
  out["feature_pool"] = vit.global_pool;  // for our own reader
  out["model_args"] = model_args(vit);
  // timm always resamples by size with antialias; a reader that can do it the weights' own way finds that here.
  out["pos_embed_resample"] = {{"offset", vit.pos_offset}, {"antialias", vit.pos_antialias}};
  out["pretrained_cfg"] = pretrained_cfg(spec, vit.in_chans, !vit.dynamic_img_size);
  out["pretrained_cfg"].update({{"first_conv", "patch_embed.proj"}, {"classifier", "head"}});
  return out;
}

/// A model's description without what timm is told beside the architecture, or need not be.
template <class Model>
nlohmann::ordered_json architecture_of(Model model) {
  const Model usual;
  model.img_size = usual.img_size, model.in_chans = usual.in_chans;
  if constexpr (requires { model.drop_path_rate; }) model.drop_path_rate = usual.drop_path_rate, model.drop_path_uniform = false;
  if constexpr (std::is_same_v<Model, ConvNextConfig>) model.init_values = usual.init_values;
  return to_json(ModelConfig(model));
}

/// A backbone in stages must be one of timm's: its builders take no widths.
template <class Model>
nlohmann::ordered_json staged_config(const EncoderSpec& spec, const Model& model) {
  const auto fits = [&](const BackboneRow& row) {
    const auto* known = std::get_if<Model>(&row.model);
    return known && !row.timm_name.empty() && architecture_of(*known) == architecture_of(model);
  };
  const auto row = std::find_if(backbones().begin(), backbones().end(), fits);
  EOSIN_CHECK(row != backbones().end(), Config, "[export] timm has no {} of these sizes; export with format=eosin", Model::kFamily);
  const bool swin = std::is_same_v<Model, SwinConfig>;
  nlohmann::ordered_json args = {{"in_chans", model.in_chans}};
  if (swin) args.update({{"img_size", model.img_size}, {"strict_img_size", false}});
  nlohmann::ordered_json out = {
      {"architecture", row->timm_name}, {"num_classes", 0}, {"num_features", model.token_dim()}, {"global_pool", "avg"}, {"model_args", args}};
  out["pretrained_cfg"] = pretrained_cfg(spec, model.in_chans, false);
  const char* first = std::is_same_v<Model, ResNetConfig> ? "conv1" : swin ? "patch_embed.proj" : "stem.0";
  out["pretrained_cfg"].update({{"first_conv", first}, {"classifier", std::is_same_v<Model, ResNetConfig> ? "fc" : "head.fc"}});
  return out;
}

}  // namespace

nlohmann::ordered_json timm_config(const EncoderSpec& spec) {
  return std::visit(
      [&](const auto& model) {
        if constexpr (std::is_same_v<std::decay_t<decltype(model)>, VitConfig>)
          return vit_config(spec);
        else
          return staged_config(spec, model);
      },
      spec.model);
}

ImportTarget import_target_of_timm(const nlohmann::json& config, const std::string& where) {
  ImportTarget target;
  guarded(where, [&] {
    const auto architecture = config.at("architecture").get<std::string>();
    if (const BackboneRow* row = row_of_architecture(architecture))
      if (const auto* vit = std::get_if<VitConfig>(&row->model)) target.num_heads = vit->num_heads;
    const Json args = config.value("model_args", Json::object());
    if (args.contains("num_heads")) target.num_heads = args["num_heads"].get<int64_t>();
    if (args.contains("norm_layer")) target.norm_eps = args["norm_layer"] == "layernormbf16" ? 1e-5 : 1e-6;
    if (args.contains("pos_embed_rope_base")) target.rope = rope_of_dinov3(args);
    if (args.contains("no_embed_class")) target.no_embed_class = args["no_embed_class"].get<bool>();
    if (args.contains("img_size")) {
      target.source_size = pair_of(args["img_size"]);
    } else if (const Json& pre = preprocessing(config); pre.contains("input_size")) {
      const auto size = pre["input_size"].get<std::vector<int64_t>>();
      if (size.size() == 3) target.source_size = {size[1], size[2]};
    }
  });
  return target;
}

void apply_timm_config(EncoderSpec& spec, const nlohmann::json& config, const std::string& where) {
  guarded(where, [&] {
    const Json args = config.value("model_args", Json::object());
    const Json& pre = preprocessing(config);
    const std::string pool = config.value("feature_pool", args.value("global_pool", config.value("global_pool", std::string())));
    if (auto* vit = std::get_if<VitConfig>(&spec.model)) {
      if (!pool.empty()) vit->global_pool = pool;  // empty: timm gives all tokens
      vit->dynamic_img_size = args.value("dynamic_img_size", vit->dynamic_img_size);
      if (config.contains("pos_embed_resample")) {
        vit->pos_offset = config["pos_embed_resample"].at("offset").get<double>();
        vit->pos_antialias = config["pos_embed_resample"].at("antialias").get<bool>();
      }
    } else {
      EOSIN_CHECK(pool.empty() || pool == "avg", Config, "[{}] global_pool '{}' of a {} (need avg)", where, pool, family_of(spec.model));
    }
    spec.mean = pre.value("mean", spec.mean);
    spec.std = pre.value("std", spec.std);
    spec.interpolation = pre.value("interpolation", spec.interpolation);
    spec.crop_pct = pre.value("crop_pct", spec.crop_pct);
    const auto input = pre.value("input_size", std::vector<int64_t>());
    if (args.contains("img_size") && input.size() == 3) spec.show({input[1], input[2]});
    EOSIN_CHECK(spec.mean.size() == 3 && spec.std.size() == 3, Data, "[{}] mean and std have {} and {} numbers (need 3)", where, spec.mean.size(),
                spec.std.size());
  });
  check(spec.model);
}

}  // namespace eosin::nn
