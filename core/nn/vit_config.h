#pragma once
// What a vision transformer is: enough to build the module that a set of weights fits, and to compute the same features.
#include "core/base/config.h"
#include "core/nn/attentional_pooler.h"
#include "core/nn/pos_embed.h"
#include "core/nn/rope.h"
#include "core/nn/token_merge.h"

#include <string>
#include <vector>

namespace eosin::nn {

/// The same fields in a checkpoint and an exported config.json. Words are timm's where timm has one.
struct VitConfig {
  static constexpr const char* kFamily = "vit";
  std::vector<int64_t> img_size = {224, 224};
  int64_t patch_size = 16, in_chans = 3, embed_dim = 384, depth = 12, num_heads = 6, mlp_hidden = 1536;
  std::string ffn = "mlp";
  bool qkv_bias = true, zero_k_bias = false, qk_norm = false;
  std::optional<double> init_values;
  bool class_token = true, mask_token = false;
  int64_t reg_tokens = 0;
  std::string pos_embed_covers = "all";
  RopeConfig rope;
  bool final_norm = true, prefix_norm = false, fc_norm = false;
  std::string global_pool = "token";
  AttentionPoolConfig attention_pool;
  double norm_eps = 1e-6;
  bool dynamic_img_size = true;
  double pos_offset = 0;
  bool pos_antialias = true;
  double drop_path_rate = 0;
  bool drop_path_uniform = false;
  bool grad_checkpointing = false;
  TokenMergeConfig token_merge;

  void visit(config::Visitor& v) {
    v("img_size", img_size, "height and width that the position table was made for", config::Length{2, 2}, config::Range{1, 65536});
    v("patch_size", patch_size, "side of a patch in pixels", config::Range{1, 1024});
    v("in_chans", in_chans, "channels of an image", config::Range{1, 4096});
    v("embed_dim", embed_dim, "width of a token", config::Range{1, 65536});
    v("depth", depth, "number of blocks", config::Range{1, 1024});
    v("num_heads", num_heads, "attention heads", config::Range{1, 1024});
    v("mlp_hidden", mlp_hidden, "width inside the feed-forward network (after gating for swiglu)", config::Range{1, 1 << 20});
    v("ffn", ffn, "feed-forward network: GELU, or gated SiLU", config::OneOf{{"mlp", "swiglu"}});
    v("qkv_bias", qkv_bias, "bias of the q, k, v projections");
    v("zero_k_bias", zero_k_bias, "no bias of the keys (DINOv3; matters with rope or qk_norm)");
    v("qk_norm", qk_norm, "layer norm of queries and keys over the head");
    v("init_values", init_values, "initial LayerScale; none without LayerScale", config::Range{0, 10});
    v("class_token", class_token, "a class token before the patches");
    v("mask_token", mask_token, "a token that replaces masked patches");
    v("reg_tokens", reg_tokens, "register tokens after the class token", config::Range{0, 1024});
    v("pos_embed_covers", pos_embed_covers, "tokens with a learned position: all, class (class and patches), patches, none",
      config::OneOf{{"all", "class", "patches", "none"}});
    v("rope", rope, "rotary positions");
    v("final_norm", final_norm, "layer norm after the last block");
    v("prefix_norm", prefix_norm, "class and register tokens have a final norm of their own (DINOv3's cls_norm)");
    v("fc_norm", fc_norm, "layer norm after pooling");
    v("global_pool", global_pool, "feature of an image: its class token, the mean of its patch tokens, both side by side, or attention_pool's",
      config::OneOf{{"token", "avg", "token_avg", "attention"}});
    v("attention_pool", attention_pool, "pooling by attention");
    v("norm_eps", norm_eps, "eps of every layer norm", config::Range{0, 1, config::kOpenLow});
    v("dynamic_img_size", dynamic_img_size, "accept other image sizes by resampling the positions");
    v("pos_offset", pos_offset, "offset of the scale factors when positions are resampled (DINO, DINOv2: 0.1)", config::Range{0, 1});
    v("pos_antialias", pos_antialias, "antialias when positions are resampled");
    v("drop_path_rate", drop_path_rate, "stochastic depth", config::Range{0, 1, config::kOpenHigh});
    v("drop_path_uniform", drop_path_uniform, "the same rate in every block; else from 0 linearly to the rate");
    v("grad_checkpointing", grad_checkpointing, "keep only the input of each block and compute the rest again in the backward pass");
    v("token_merge", token_merge, "merging of similar tokens");
  }

  PatchGrid grid() const { return {img_size[0] / patch_size, img_size[1] / patch_size}; }
  int64_t prefix_tokens() const { return (class_token ? 1 : 0) + reg_tokens; }
  /// Width of an image's feature.
  int64_t feature_dim() const { return global_pool == "token_avg" ? 2 * embed_dim : summary_dim(); }
  int64_t summary_dim() const { return global_pool == "attention" ? attention_pool.dim : embed_dim; }
  int64_t token_dim() const { return embed_dim; }
  int64_t size_multiple() const { return patch_size; }
  int64_t least_size() const { return patch_size; }
  int64_t blocks() const { return depth; }
  std::string layer_name(const std::string& parameter) const { return parameter; }
  /// Two norms, q, k, v, attention, two residuals, and the feed-forward network's input and activation, of each token and block; with
  /// grad_checkpointing of one block, and the input of each.
  int64_t kept_elements(int64_t height, int64_t width) const;
  bool has_pos_embed() const { return pos_embed_covers != "none"; }
  /// Rows of the position table that belong to prefix tokens.
  int64_t pos_prefix() const;
  PosResample pos_resample() const { return {pos_antialias, pos_offset}; }

  /// Config error naming both numbers: sides that are no multiple of the patch, width not divisible by heads, a pooling without its token,
  /// a head that rotary positions cannot split, tokens that merge beside stochastic depth or grad_checkpointing.
  void check() const;
};

nlohmann::ordered_json to_json(const VitConfig& config);
/// Missing keys keep their defaults. Data error naming `where` for an unknown key or a wrong type, then check().
VitConfig vit_config_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace eosin::nn
