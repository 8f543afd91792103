#include "core/nn/weights.h"

#include "core/base/error.h"
#include "core/nn/backbones.h"
#include "core/nn/patch_embed_resample.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <regex>

namespace eosin::nn {
namespace {

bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

bool any_key(const TensorMap& weights, const std::string& prefix) {
  const auto it = weights.lower_bound(prefix);
  return it != weights.end() && starts_with(it->first, prefix);
}

/// Keeps the keys that begin with `prefix`, without it; the others are dropped.
void descend(TensorMap& weights, const std::string& prefix, std::vector<std::string>& dropped) {
  TensorMap kept;
  for (auto& [name, t] : weights) {
    if (starts_with(name, prefix))
      kept.emplace(name.substr(prefix.size()), t);
    else
      dropped.push_back(name);
  }
  weights = std::move(kept);
}

/// Takes the backbone out of what checkpoints wrap round it. True if there was a projection head beside it.
bool unwrap(TensorMap& weights, std::vector<std::string>& dropped) {
  bool self_supervised = false;
  for (bool again = true; again;) {
    again = false;
    for (const char* prefix : {"state_dict.", "model.", "module.", "_orig_mod.", "teacher.", "student.", "backbone."}) {
      if (!any_key(weights, prefix)) continue;
      const std::string p = prefix;
      self_supervised |= p == "teacher." || p == "student." || p == "backbone.";
      descend(weights, p, dropped);
      again = true;
      break;
    }
  }
  return self_supervised;
}

std::string some_keys(const TensorMap& weights) {
  std::vector<std::string> names;
  for (const auto& [name, t] : weights)
    if (names.size() < 4) names.push_back(name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool has_blocks_in_chunks(const TensorMap& weights) {
  static const std::regex chunked(R"(blocks\.\d+\.\d+\..*)");
  return std::any_of(weights.begin(), weights.end(), [](const auto& item) { return std::regex_match(item.first, chunked); });
}

/// Renames to timm's words and tells where the weights come from.
std::string rename(TensorMap& weights, bool self_supervised, std::vector<std::string>& dropped) {
  const bool dinov2 =
      weights.count("mask_token") || weights.count("register_tokens") || has_blocks_in_chunks(weights) || weights.count("blocks.0.mlp.w12.weight");
  TensorMap renamed;
  for (auto& [name, t] : weights) {
    if (name == "mask_token" || starts_with(name, "head.") || starts_with(name, "head_dist."))
      dropped.push_back(name);
    else
      renamed.emplace(timm_name(name), t);
  }
  weights = std::move(renamed);
  return dinov2 ? "dinov2" : self_supervised ? "dino" : "timm";
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
  for (const BackboneRow& row : backbones())
    if (row.embed_dim == config.embed_dim && row.depth == config.depth) return row.num_heads;
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

/// Everything that the names and shapes say.
VitConfig infer_config(const TensorMap& weights, const std::string& origin, const ImportTarget& target) {
  VitConfig config;
  const Tensor& kernel = patch_kernel(weights);
  config.embed_dim = kernel.size(0);
  config.in_chans = kernel.size(1);
  config.patch_size = kernel.size(2);
  config.depth = 0;
  while (any_key(weights, fmt::format("blocks.{}.", config.depth))) ++config.depth;
  const Tensor &fc1 = require(weights, "blocks.0.mlp.fc1.weight"), &fc2 = require(weights, "blocks.0.mlp.fc2.weight");
  EOSIN_CHECK(fc1.dim() == 2 && fc2.dim() == 2, Data, "[import] blocks.0.mlp.fc1.weight and fc2.weight must be matrices");
  config.mlp_hidden = fc2.size(1);
  config.ffn = fc1.size(0) == 2 * fc2.size(1) ? "swiglu" : "mlp";
  config.qkv_bias = weights.count("blocks.0.attn.qkv.bias") > 0;
  config.qk_norm = weights.count("blocks.0.attn.q_norm.weight") > 0;
  if (weights.count("blocks.0.ls1.gamma")) config.init_values = 1e-5;
  config.class_token = weights.count("cls_token") > 0;
  if (weights.count("reg_token")) config.reg_tokens = require_tokens(weights, "reg_token").size(1);
  config.final_norm = weights.count("norm.weight") > 0;
  config.fc_norm = weights.count("fc_norm.weight") > 0;
  config.global_pool = config.class_token && !config.fc_norm ? "token" : "avg";
  config.num_heads = infer_heads(weights, config, target);
  infer_positions(config, require_tokens(weights, "pos_embed").size(1), target);
  const bool by_offset = (origin == "dinov2" && config.reg_tokens == 0) || origin == "dino";
  config.pos_offset = by_offset ? 0.1 : 0;
  config.pos_antialias = !by_offset;
  config.check();
  return config;
}

/// DINOv2 gives the class token a position and the registers none; timm's form of that has no class position.
void fold_class_position(TensorMap& weights) {
  if (!weights.count("reg_token") || !weights.count("cls_token")) return;
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

std::string timm_name(const std::string& name) {
  static const std::regex chunked(R"(blocks\.\d+\.(\d+)\.)");
  static const std::array<std::pair<std::regex, const char*>, 3> words = {
      {{std::regex(R"(\.mlp\.w12\.)"), ".mlp.fc1."}, {std::regex(R"(\.mlp\.w3\.)"), ".mlp.fc2."}, {std::regex("^register_tokens$"), "reg_token"}}};
  std::string out = std::regex_replace(name, chunked, "blocks.$1.");
  for (const auto& [from, to] : words) out = std::regex_replace(out, from, to);
  return out;
}

std::string dinov2_name(const std::string& name, const std::string& ffn) {
  if (name == "reg_token") return "register_tokens";
  if (ffn != "swiglu") return name;
  static const std::regex fc1(R"(\.mlp\.fc1\.)"), fc2(R"(\.mlp\.fc2\.)");
  return std::regex_replace(std::regex_replace(name, fc1, ".mlp.w12."), fc2, ".mlp.w3.");
}

TensorMap to_dinov2(const TensorMap& weights, const VitConfig& config) {
  EOSIN_CHECK(config.class_token && config.final_norm && !config.fc_norm && !config.qk_norm, Config,
              "[export] DINOv2's code needs a class token and a final norm, and has no fc_norm or qk_norm; export with format=timm");
  EOSIN_CHECK(config.reg_tokens == 0 || config.pos_embed_covers != "all", Config,
              "[export] DINOv2's registers have no position; export with format=timm");
  TensorMap out;
  for (const auto& [name, t] : weights) out.emplace(dinov2_name(name, config.ffn), t);
  if (!out.count("mask_token")) out["mask_token"] = at::zeros({1, config.embed_dim}, out.at("cls_token").options());
  if (config.pos_prefix() == 0) out["pos_embed"] = at::cat({at::zeros_like(out.at("cls_token")), out.at("pos_embed")}, 1);
  return out;
}

void resize_weights(ImportedWeights& imported, const ImportTarget& target) {
  VitConfig& config = imported.config;
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
  const Tensor table = imported.weights.at("pos_embed");
  const Tensor resampled = resample_pos_embed(table, from, config.grid(), config.pos_prefix(), {true, 0});
  if (from != config.grid()) imported.resized.push_back({"pos_embed", table.sizes().vec(), resampled.sizes().vec()});
  imported.weights["pos_embed"] = resampled.contiguous();
}

ImportedWeights convert_state_dict(const TensorMap& source, const ImportTarget& target) {
  ImportedWeights imported;
  imported.weights = source;
  const bool self_supervised = unwrap(imported.weights, imported.dropped);
  imported.origin = rename(imported.weights, self_supervised, imported.dropped);
  ImportTarget told = target;
  if (imported.origin == "dinov2") {
    fold_class_position(imported.weights);
    told.no_embed_class = imported.weights.count("reg_token") > 0;
  }
  imported.config = infer_config(imported.weights, imported.origin, told);
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
