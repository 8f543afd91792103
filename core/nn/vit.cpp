#include "core/nn/vit.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/merging_pass.h"
#include "core/nn/recompute.h"

#include <ATen/ATen.h>
#include <torch/types.h>

namespace eosin::nn {
namespace {

Tensor select_rows(const Tensor& tokens_BND, const Tensor& index_BK) {
  EOSIN_CHECK(index_BK.dim() == 2 && index_BK.size(0) == tokens_BND.size(0) && index_BK.size(1) <= tokens_BND.size(1), Shape,
              "[vit] visible patches of [{}] for {} images of {} patches", fmt::join(index_BK.sizes().vec(), ", "), tokens_BND.size(0),
              tokens_BND.size(1));
  return tokens_BND.gather(1, index_BK.unsqueeze(-1).expand({-1, -1, tokens_BND.size(2)}));
}

/// What a pass says of one group; undefined where it says nothing.
Tensor of_group(const std::vector<Tensor>& per_group, size_t group) { return per_group.empty() ? Tensor() : per_group[group]; }

}  // namespace

VitImpl::VitImpl(const VitConfig& config) : config_(config) {
  config.check();
  const int64_t dim = config.embed_dim;
  if (config.class_token) cls_token = register_parameter("cls_token", torch::zeros({1, 1, dim}));
  if (config.reg_tokens > 0) reg_token = register_parameter("reg_token", torch::zeros({1, config.reg_tokens, dim}));
  if (config.mask_token) mask_token = register_parameter("mask_token", torch::zeros({1, dim}));
  if (config.has_pos_embed()) pos_embed = register_parameter("pos_embed", torch::zeros({1, config.pos_prefix() + config.grid().count(), dim}));
  patch_embed = register_module("patch_embed", PatchEmbed(config.in_chans, dim, config.patch_size));
  blocks = register_module("blocks", torch::nn::ModuleList());
  for (int64_t i = 0; i < config.depth; ++i) blocks->push_back(Block(config, i));
  if (config.rope.enabled) rope_embed = register_module("rope_embed", RopeEmbed(config.rope, dim / config.num_heads));
  const auto options = torch::nn::LayerNormOptions({dim}).eps(config.norm_eps);
  if (config.final_norm) norm = register_module("norm", torch::nn::LayerNorm(options));
  if (config.prefix_norm) cls_norm = register_module("cls_norm", torch::nn::LayerNorm(options));
  if (config.fc_norm) fc_norm = register_module("fc_norm", torch::nn::LayerNorm(options));
  if (config.attention_pool.dim == 0) return;
  attn_pool = register_module("attn_pool", AttentionalPooler(config.attention_pool, dim));
  pool_norm_ = attn_pool->register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({config.attention_pool.dim})));
}

void VitImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  const int64_t fan_in = config_.in_chans * config_.patch_size * config_.patch_size;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const Tensor& p = item.value();
    if (name.rfind("patch_embed.", 0) == 0) {
      init_fan_in(p, fan_in, seed, name);
    } else if (name == "cls_token" || name == "reg_token") {
      init_normal(p, config_.rope.enabled ? 0.02 : 1e-6, seed, name);
    } else if (name == "pos_embed" || p.dim() == 2) {
      init_normal(p, name == "mask_token" ? 0 : 0.02, seed, name);
    } else if (name.ends_with(".gamma")) {
      p.fill_(*config_.init_values);
    } else {
      p.fill_(name.ends_with(".weight") ? 1 : 0);  // norms
    }
  }
}

Tensor VitImpl::embed(const Tensor& images_BCHW, const VitPass& pass, size_t group) {
  EOSIN_CHECK(images_BCHW.dim() == 4, Shape, "[vit] images have {} dimensions (need [B, C, H, W])", images_BCHW.dim());
  const int64_t batch = images_BCHW.size(0), height = images_BCHW.size(2), width = images_BCHW.size(3);
  EOSIN_CHECK(config_.dynamic_img_size || (height == config_.img_size[0] && width == config_.img_size[1]), Shape,
              "[vit] an image of {}x{} (need {}x{}); set dynamic_img_size to resample the positions", height, width, config_.img_size[0],
              config_.img_size[1]);
  Tensor patches = patch_embed->forward(images_BCHW, pass.patch_size);
  if (const Tensor mask_BN = of_group(pass.masks_BN, group); mask_BN.defined()) {
    EOSIN_CHECK(mask_token.defined(), Shape, "[vit] masked patches need a model with mask_token");
    EOSIN_CHECK(mask_BN.dim() == 2 && mask_BN.size(0) == batch && mask_BN.size(1) == patches.size(1), Shape,
                "[vit] a mask of [{}] for {} images of {} patches", fmt::join(mask_BN.sizes().vec(), ", "), batch, patches.size(1));
    patches = at::where(mask_BN.unsqueeze(-1), mask_token.to(patches.scalar_type()).unsqueeze(0), patches);
  }
  return with_prefix(patches, patch_embed->grid(height, width, pass.patch_size), of_group(pass.visible_BK, group));
}

/// Class and register tokens before the patches, each with its position where it has one.
Tensor VitImpl::with_prefix(const Tensor& patches_BND, PatchGrid grid, const Tensor& visible_BK) {
  const int64_t placed = config_.pos_prefix();
  Tensor table;
  if (pos_embed.defined()) table = resample_pos_embed(pos_embed, config_.grid(), grid, placed, config_.pos_resample());
  std::vector<Tensor> parts;
  int64_t at = 0;  // row of the table
  for (const Tensor& token : {cls_token, reg_token}) {
    if (!token.defined()) continue;
    const bool has_position = at < placed;
    parts.push_back((has_position ? token + table.slice(1, at, at + token.size(1)) : token).expand({patches_BND.size(0), -1, -1}));
    if (has_position) at += token.size(1);
  }
  const Tensor patches = table.defined() ? patches_BND + table.slice(1, placed) : patches_BND;
  parts.push_back(visible_BK.defined() ? select_rows(patches, visible_BK) : patches);
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

Tensor VitImpl::coordinates(const Tensor& images_BCHW, const VitPass& pass, size_t group) const {
  RopeChange change;
  if (pass.drop_path) change = draw_rope_change(config_.rope, *pass.drop_path, static_cast<uint32_t>(group));
  const PatchGrid grid = patch_embed->grid(images_BCHW.size(2), images_BCHW.size(3), pass.patch_size);
  return rope_coordinates(grid, config_.rope.normalize, change).to(images_BCHW.device(), /*non_blocking=*/true);
}

std::vector<MergedTokens> VitImpl::forward_merged(const std::vector<Tensor>& groups_BCHW, const VitPass& pass) {
  for (const auto* per_group : {&pass.masks_BN, &pass.visible_BK})
    EOSIN_CHECK(per_group->empty() || per_group->size() == groups_BCHW.size(), Shape, "[vit] {} masks for {} groups of images", per_group->size(),
                groups_BCHW.size());
  EOSIN_CHECK(pass.visible_BK.empty() || !config_.rope.enabled, Shape,
              "[vit] a choice of visible patches needs learned positions (this model has rope)");
  std::vector<Tensor> embedded, coordinates_N2;
  TokenGroups groups;
  for (size_t g = 0; g < groups_BCHW.size(); ++g) {
    embedded.push_back(embed(groups_BCHW[g], pass, g));
    groups.push_back({embedded.back().size(0), embedded.back().size(1)});
    if (config_.rope.enabled) coordinates_N2.push_back(coordinates(groups_BCHW[g], pass, g));
  }
  AttentionSide side;
  for (const Tensor& coordinates : coordinates_N2) side.rope.push_back(rope_embed(coordinates));
  const DropPathKey* drop_path = pass.drop_path ? &*pass.drop_path : nullptr;
  Tensor tokens = pack(embedded);
  std::optional<MergingPass> merging;
  if (config_.token_merge.method != "none") merging.emplace(config_, std::move(coordinates_N2), rope_embed);
  for (size_t i = 0; i < blocks->size(); ++i) {
    auto& block = *blocks[i]->as<BlockImpl>();
    if (config_.grad_checkpointing) {
      tokens = recomputed(tokens, block.parameters(), [&block, groups, side, key = pass.drop_path](const Tensor& x) {
        AttentionSide own = side;
        return block.forward(x, groups, key ? &*key : nullptr, &own);
      });
    } else {
      side.wants_keys = merging && merging->merges_in(i);
      tokens = block.forward_attention(tokens, groups, drop_path, &side);
      if (side.wants_keys) tokens = merging->merge(tokens, groups, side, i);
      tokens = block.forward_mlp(tokens, groups, drop_path);
    }
    if (pass.after_block) pass.after_block(i, unpack(tokens, groups));
  }
  std::vector<MergedTokens> out;
  for (const Tensor& group : unpack(tokens, groups)) out.push_back({group, merging ? merging->size_of(out.size(), group) : Tensor()});
  return out;
}

std::vector<Tensor> VitImpl::forward_prenorm(const std::vector<Tensor>& groups_BCHW, const VitPass& pass) {
  std::vector<Tensor> tokens;
  for (MergedTokens& group : forward_merged(groups_BCHW, pass)) tokens.push_back(std::move(group.tokens_BND));
  return tokens;
}

Tensor VitImpl::normalise(const Tensor& tokens) {
  if (norm.is_empty()) return tokens;
  if (cls_norm.is_empty()) return norm(tokens);
  return at::cat({cls_norm(tokens.slice(1, 0, config_.prefix_tokens())), norm(tokens.slice(1, config_.prefix_tokens()))}, 1);
}

Tensor VitImpl::forward_tokens(const Tensor& images_BCHW, const VitPass& pass) { return normalise(forward_prenorm({images_BCHW}, pass).front()); }

Tensor VitImpl::last_blocks(const Tensor& images_BCHW, int64_t count) {
  EOSIN_CHECK(config_.class_token && count >= 1 && count <= config_.depth, Shape,
              "[vit] the last {} class tokens need a model with a class token and as many blocks (got {} blocks)", count, config_.depth);
  std::vector<Tensor> parts;
  VitPass pass;
  pass.after_block = [&](size_t block, const std::vector<Tensor>& groups) {
    if (static_cast<int64_t>(block) >= config_.depth - count)
      parts.push_back(class_tokens(normalise(groups.front().slice(1, 0, config_.prefix_tokens()))));
  };
  const MergedTokens last = forward_merged({images_BCHW}, pass).front();
  parts.push_back(mean_patch(normalise(last.tokens_BND), last.size_BN1));
  return at::cat(parts, 1);
}

Tensor VitImpl::pool(const Tensor& tokens_BND, const Tensor& size_BN1) {
  if (!attn_pool.is_empty()) return pool_norm_(attn_pool(tokens_BND).select(1, 0));
  if (config_.global_pool == "token_avg") return at::cat({class_tokens(tokens_BND), mean_patch(tokens_BND, size_BN1)}, 1);
  const Tensor feature = config_.global_pool == "token" ? class_tokens(tokens_BND) : mean_patch(tokens_BND, size_BN1);
  return fc_norm.is_empty() ? feature : fc_norm(feature);
}

Tensor VitImpl::mean_patch(const Tensor& tokens_BND, const Tensor& size_BN1) const {
  return ImageTokens{{}, {}, patch_tokens(tokens_BND), {}, size_BN1.defined() ? patch_tokens(size_BN1) : size_BN1}.mean_patch();
}

std::vector<ImageTokens> VitImpl::encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  VitPass pass;
  pass.drop_path = drop_path;
  std::vector<ImageTokens> out;
  for (const MergedTokens& group : forward_merged(groups_BCHW, pass)) {
    const Tensor tokens = normalise(group.tokens_BND), &images = groups_BCHW[out.size()];
    const Tensor cls = config_.class_token ? class_tokens(tokens) : Tensor();
    const bool pools = config_.global_pool == "avg" || config_.global_pool == "attention";
    out.push_back({cls, pools ? pool(tokens, group.size_BN1) : cls, patch_tokens(tokens), patch_embed->grid(images.size(2), images.size(3)),
                   group.size_BN1.defined() ? patch_tokens(group.size_BN1) : Tensor()});
  }
  return out;
}

std::vector<Tensor> VitImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  VitPass pass;
  pass.drop_path = drop_path;
  return forward_features(groups_BCHW, pass);
}

std::vector<Tensor> VitImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const VitPass& pass) {
  std::vector<Tensor> features;
  for (const MergedTokens& group : forward_merged(groups_BCHW, pass)) {
    const bool one_token = config_.global_pool == "token";
    features.push_back(pool(normalise(one_token ? group.tokens_BND.slice(1, 0, 1) : group.tokens_BND), group.size_BN1));
  }
  return features;
}

Tensor VitImpl::class_tokens(const Tensor& tokens_BND) const {
  EOSIN_CHECK(config_.class_token, Shape, "[vit] the model has no class token");
  return tokens_BND.select(1, 0);
}

Tensor VitImpl::register_tokens(const Tensor& tokens_BND) const {
  return tokens_BND.slice(1, config_.prefix_tokens() - config_.reg_tokens, config_.prefix_tokens());
}

Tensor VitImpl::patch_tokens(const Tensor& tokens_BND) const { return tokens_BND.slice(1, config_.prefix_tokens()); }

Vit as_vit(const std::shared_ptr<Backbone>& backbone) {
  auto vit = std::dynamic_pointer_cast<VitImpl>(backbone);
  EOSIN_ASSERT(vit != nullptr);
  return Vit(vit);
}

}  // namespace eosin::nn
