#include "core/nn/weights.h"

#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/patch_embed_resample.h"
#include "core/nn/staged_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::nn {
namespace {

bool any_key(const TensorMap& weights, const std::string& prefix) {
  const auto it = weights.lower_bound(prefix);
  return it != weights.end() && it->first.starts_with(prefix);
}

std::string some_keys(const TensorMap& weights) {
  std::vector<std::string> names;
  for (const auto& [name, t] : weights)
    if (names.size() < 4) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::optional<int64_t> square_root(int64_t n) {
  const auto root = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(n))));
  return n > 0 && root * root == n ? std::optional<int64_t>(root) : std::nullopt;
}

/// Which tokens the position table covers, and its grid.
void infer_positions(VitConfig& config, int64_t rows, const ImportTarget& target) {
  std::vector<std::string> ways = {"all", "patches"};
  if (target.no_embed_class) ways = {*target.no_embed_class ? "patches" : "all"};
  for (const std::string& covers : ways) {
    config.pos_embed_covers = covers;
    const int64_t patches = rows - config.pos_prefix();
    if (!target.source_size.empty()) {
      config.img_size = target.source_size;
      if (config.grid().count() == patches) return;
    } else if (const auto side = square_root(patches)) {
      config.img_size = {*side * config.patch_size, *side * config.patch_size};
      return;
    }
  }
  fail(ErrorKind::Data, "[import] a position table of {} rows fits no {} with {} prefix tokens; give the image size that it was made for", rows,
       target.source_size.empty() ? "square grid" : fmt::format("image of {}x{}", target.source_size[0], target.source_size[1]),
       config.prefix_tokens());
}

int64_t infer_heads(const TensorMap& weights, const VitConfig& config, const ImportTarget& target) {
  if (target.num_heads) return *target.num_heads;
  if (const auto it = weights.find("blocks.0.attn.q_norm.weight"); it != weights.end() && it->second.numel() > 0)
    return config.embed_dim / it->second.numel();
  if (const auto it = weights.find("rope_embed.periods"); it != weights.end() && it->second.numel() > 0)
    return config.embed_dim / (4 * it->second.numel());
  std::optional<int64_t> of_width;
  for (const BackboneRow& row : backbones()) {
    const auto* known = std::get_if<VitConfig>(&row.model);
    if (!known || known->embed_dim != config.embed_dim || known->depth != config.depth) continue;
    if (known->mlp_hidden == config.mlp_hidden && known->ffn == config.ffn) return known->num_heads;
    if (!of_width) of_width = known->num_heads;
  }
  if (of_width) return *of_width;
  EOSIN_CHECK(config.embed_dim % 64 == 0, Config,
              "[import] cannot tell the number of attention heads of a model of width {}; name it (model.num_heads)", config.embed_dim);
  return config.embed_dim / 64;
}

const Tensor& require(const TensorMap& weights, const std::string& name) {
  const auto it = weights.find(name);
  EOSIN_CHECK(it != weights.end(), Data, "[import] no weight '{}' (there are {} weights: {}, ...); this is no vision transformer of a known kind",
              name, weights.size(), some_keys(weights));
  return it->second;
}

const Tensor& patch_kernel(const TensorMap& weights) {
  const Tensor& kernel = require(weights, "patch_embed.proj.weight");
  EOSIN_CHECK(kernel.dim() == 4 && kernel.size(2) == kernel.size(3) && kernel.numel() > 0, Data,
              "[import] patch_embed.proj.weight of shape [{}] (need [D, C, p, p])", fmt::join(kernel.sizes().vec(), ", "));
  return kernel;
}

/// A weight that holds tokens of the model's width.
const Tensor& require_tokens(const TensorMap& weights, const std::string& name) {
  const Tensor& tokens = require(weights, name);
  const int64_t width = patch_kernel(weights).size(0);
  EOSIN_CHECK(tokens.dim() == 3 && tokens.size(0) == 1 && tokens.size(1) > 0 && tokens.size(2) == width, Data,
              "[import] {} of shape [{}] (need [1, N, {}])", name, fmt::join(tokens.sizes().vec(), ", "), width);
  return tokens;
}

/// A model without a position table turns queries and keys; its size is the usual one.
void infer_rotation(VitConfig& config, const ImportTarget& target) {
  config.pos_embed_covers = "none";
  config.rope = target.rope.value_or(config.rope);
  config.rope.enabled = true;
  const int64_t side = std::max<int64_t>(224 / config.patch_size, 1) * config.patch_size;
  config.img_size = target.source_size.empty() ? std::vector<int64_t>{side, side} : target.source_size;
}

/// The width and kind of the feed-forward network.
void infer_mlp(VitConfig& config, const TensorMap& weights) {
  const Tensor &fc1 = require(weights, "blocks.0.mlp.fc1.weight"), &fc2 = require(weights, "blocks.0.mlp.fc2.weight");
  EOSIN_CHECK(fc1.dim() == 2 && fc2.dim() == 2, Data, "[import] blocks.0.mlp.fc1.weight and fc2.weight must be matrices");
  config.mlp_hidden = fc2.size(1);
  config.ffn = fc1.size(0) == 2 * fc2.size(1) ? "swiglu" : "mlp";
}

void infer_attention_pool(VitConfig& config, const TensorMap& weights) {
  const auto query = weights.find("attn_pool.query");
  if (query == weights.end()) return;
  EOSIN_CHECK(query->second.dim() == 2 && query->second.numel() > 0, Data, "[import] attn_pool.query of shape [{}] (need [queries, D])",
              fmt::join(query->second.sizes().vec(), ", "));
  config.global_pool = "attention";
  config.attention_pool.queries = query->second.size(0), config.attention_pool.dim = query->second.size(1);
}

/// Everything that the names and shapes say, and what is known of the origin.
VitConfig infer_config(const TensorMap& weights, const WeightOrigin& origin, bool zero_k_bias, const ImportTarget& target) {
  VitConfig config;
  const Tensor& kernel = patch_kernel(weights);
  config.embed_dim = kernel.size(0);
  config.in_chans = kernel.size(1);
  config.patch_size = kernel.size(2);
  config.depth = 0;
  while (any_key(weights, fmt::format("blocks.{}.", config.depth))) ++config.depth;
  infer_mlp(config, weights);
  config.qkv_bias = weights.count("blocks.0.attn.qkv.bias") > 0;
  config.zero_k_bias = zero_k_bias;
  config.qk_norm = weights.count("blocks.0.attn.q_norm.weight") > 0;
  if (weights.count("blocks.0.ls1.gamma")) config.init_values = 1e-5;
  config.class_token = weights.count("cls_token") > 0;
  config.mask_token = weights.count("mask_token") > 0;
  if (weights.count("reg_token")) config.reg_tokens = require_tokens(weights, "reg_token").size(1);
  config.final_norm = weights.count("norm.weight") > 0;
  config.prefix_norm = weights.count("cls_norm.weight") > 0;
  config.fc_norm = weights.count("fc_norm.weight") > 0;
  config.global_pool = config.class_token && !config.fc_norm ? "token" : "avg";
  infer_attention_pool(config, weights);
  config.norm_eps = target.norm_eps.value_or(origin.norm_eps);
  config.num_heads = infer_heads(weights, config, target);
  if (origin.rotary)
    infer_rotation(config, target);
  else
    infer_positions(config, require_tokens(weights, "pos_embed").size(1), target);
  config.pos_offset = origin.resample.offset;
  config.pos_antialias = origin.resample.antialias;
  config.check();
  return config;
}

/// The class token gets its position; the table keeps the patches'.
void fold_class_position(TensorMap& weights) {
  const Tensor table = require_tokens(weights, "pos_embed");
  weights["cls_token"] = require_tokens(weights, "cls_token") + table.slice(1, 0, 1);
  weights["pos_embed"] = table.slice(1, 1).contiguous();
}

void replace(ImportedWeights& imported, const std::string& name, const Tensor& t) {
  Tensor& old = imported.weights.at(name);
  if (old.sizes() == t.sizes()) return;
  imported.resized.push_back({name, old.sizes().vec(), t.sizes().vec()});
  old = t.contiguous();
}

bool listed(const std::string& name, const std::vector<std::string>& names) { return std::find(names.begin(), names.end(), name) != names.end(); }

}  // namespace

void resize_weights(ImportedWeights& imported, const ImportTarget& target) {
  if (!std::holds_alternative<VitConfig>(imported.model)) {
    EOSIN_CHECK(!target.patch_size, Config, "[import] a {} has no patch_size; leave it out", family_of(imported.model));
    if (!target.img_size.empty()) set_image_size(imported.model, target.img_size);
    return check(imported.model);
  }
  VitConfig& config = imported.vit();
  const PatchGrid from = config.grid();
  if (target.patch_size) {
    // Without a wanted image size the grid stays, so that positions need no resampling.
    config.img_size = {from.rows * *target.patch_size, from.cols * *target.patch_size};
    config.patch_size = *target.patch_size;
  }
  if (!target.img_size.empty()) config.img_size = target.img_size;
  config.check();
  const std::string kernel = "patch_embed.proj.weight";
  replace(imported, kernel, resample_patch_embed(imported.weights.at(kernel), {config.patch_size, config.patch_size}));
  if (!config.has_pos_embed()) return;
  const Tensor table = imported.weights.at("pos_embed");
  const Tensor resampled = resample_pos_embed(table, from, config.grid(), config.pos_prefix(), {true, 0});
  if (from != config.grid()) imported.resized.push_back({"pos_embed", table.sizes().vec(), resampled.sizes().vec()});
  imported.weights["pos_embed"] = resampled.contiguous();
}

ImportedWeights convert_state_dict(const TensorMap& source, const ImportTarget& target) {
  if (std::optional<ImportedWeights> staged = convert_staged(source, target)) return *staged;
  NamedWeights named = to_timm_names(source, target.mask_token);
  ImportTarget told = target;
  if (named.origin->folds_class_position) {
    fold_class_position(named.weights);
    told.no_embed_class = true;
  }
  ImportedWeights imported;
  imported.origin = named.origin->name;
  imported.model = infer_config(named.weights, *named.origin, named.zero_k_bias, told);
  imported.weights = std::move(named.weights);
  imported.dropped = std::move(named.dropped);
  if (imported.vit().rope.enabled)  // only DINOv3's own files hold them
    imported.weights.emplace("rope_embed.periods", rope_periods(imported.vit().rope, imported.vit().embed_dim / imported.vit().num_heads));
  resize_weights(imported, target);
  return imported;
}

LoadReport load_weights(torch::nn::Module& module, const TensorMap& weights, const std::vector<std::string>& allow_missing,
                        const std::vector<std::string>& allow_unexpected) {
  const at::NoGradGuard no_grad;
  LoadReport report;
  std::vector<std::string> missing, unexpected;
  const TensorMap own = named_weights(module);
  for (const auto& [name, t] : own)
    if (!weights.count(name)) (listed(name, allow_missing) ? report.missing : missing).push_back(name);
  for (const auto& [name, t] : weights)
    if (!own.count(name)) (listed(name, allow_unexpected) ? report.unexpected : unexpected).push_back(name);
  EOSIN_CHECK(missing.empty() && unexpected.empty(), Data, "[weights] {} missing [{}], {} unexpected [{}]; name them in allow_missing to accept that",
              missing.size(), fmt::join(missing, ", "), unexpected.size(), fmt::join(unexpected, ", "));
  for (const auto& [name, t] : own) {
    const auto it = weights.find(name);
    if (it == weights.end()) continue;
    EOSIN_CHECK(t.sizes() == it->second.sizes(), Shape, "[weights] '{}' has shape [{}] (need [{}])", name, fmt::join(it->second.sizes().vec(), ", "),
                fmt::join(t.sizes().vec(), ", "));
    t.copy_(it->second);
  }
  return report;
}

TensorMap named_weights(const torch::nn::Module& module) {
  TensorMap named;
  for (const auto& item : module.named_parameters()) named.emplace(item.key(), item.value());
  for (const auto& item : module.named_buffers()) named.emplace(item.key(), item.value());
  return named;
}

}  // namespace eosin::nn
