#include "core/nn/vit.h"

#include "core/base/error.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>
#include <torch/types.h>

namespace eosin::nn {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

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
  pos_embed = register_parameter("pos_embed", torch::zeros({1, config.pos_prefix() + config.grid().count(), dim}));
  patch_embed = register_module("patch_embed", PatchEmbed(config.in_chans, dim, config.patch_size));
  blocks = register_module("blocks", torch::nn::ModuleList());
  for (int64_t i = 0; i < config.depth; ++i) blocks->push_back(Block(config, i));
  const auto options = torch::nn::LayerNormOptions({dim}).eps(config.norm_eps);
  if (config.final_norm) norm = register_module("norm", torch::nn::LayerNorm(options));
  if (config.fc_norm) fc_norm = register_module("fc_norm", torch::nn::LayerNorm(options));
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
      init_normal(p, 1e-6, seed, name);
    } else if (name == "pos_embed" || p.dim() == 2) {
      init_normal(p, name == "mask_token" ? 0 : 0.02, seed, name);
    } else if (ends_with(name, ".gamma")) {
      p.fill_(*config_.init_values);
    } else {
      p.fill_(ends_with(name, ".weight") ? 1 : 0);  // norms
    }
  }
}

Tensor VitImpl::positions(PatchGrid grid) {
  return resample_pos_embed(pos_embed, config_.grid(), grid, config_.pos_prefix(), config_.pos_resample());
}

Tensor VitImpl::embed(const Tensor& images_BCHW, const Tensor& mask_BN, const Tensor& visible_BK) {
  EOSIN_CHECK(images_BCHW.dim() == 4, Shape, "[vit] images have {} dimensions (need [B, C, H, W])", images_BCHW.dim());
  const int64_t batch = images_BCHW.size(0), height = images_BCHW.size(2), width = images_BCHW.size(3);
  EOSIN_CHECK(config_.dynamic_img_size || (height == config_.img_size[0] && width == config_.img_size[1]), Shape,
              "[vit] an image of {}x{} (need {}x{}); set dynamic_img_size to resample the positions", height, width, config_.img_size[0],
              config_.img_size[1]);
  Tensor patches = patch_embed(images_BCHW);
  if (mask_BN.defined()) {
    EOSIN_CHECK(mask_token.defined(), Shape, "[vit] masked patches need a model with mask_token");
    EOSIN_CHECK(mask_BN.dim() == 2 && mask_BN.size(0) == batch && mask_BN.size(1) == patches.size(1), Shape,
                "[vit] a mask of [{}] for {} images of {} patches", fmt::join(mask_BN.sizes().vec(), ", "), batch, patches.size(1));
    patches = at::where(mask_BN.unsqueeze(-1), mask_token.to(patches.scalar_type()).unsqueeze(0), patches);
  }
  const Tensor table = positions(patch_embed->grid(height, width));
  const int64_t placed = config_.pos_prefix();
  std::vector<Tensor> parts;
  int64_t at = 0;  // row of the table
  for (const Tensor& token : {cls_token, reg_token}) {
    if (!token.defined()) continue;
    const bool has_position = at < placed;
    parts.push_back((has_position ? token + table.slice(1, at, at + token.size(1)) : token).expand({batch, -1, -1}));
    if (has_position) at += token.size(1);
  }
  patches = patches + table.slice(1, placed);
  parts.push_back(visible_BK.defined() ? select_rows(patches, visible_BK) : patches);
  return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
}

std::vector<Tensor> VitImpl::forward_prenorm(const std::vector<Tensor>& groups_BCHW, const VitPass& pass) {
  for (const auto* per_group : {&pass.masks_BN, &pass.visible_BK})
    EOSIN_CHECK(per_group->empty() || per_group->size() == groups_BCHW.size(), Shape, "[vit] {} masks for {} groups of images", per_group->size(),
                groups_BCHW.size());
  std::vector<Tensor> embedded;
  TokenGroups groups;
  for (size_t g = 0; g < groups_BCHW.size(); ++g) {
    embedded.push_back(embed(groups_BCHW[g], of_group(pass.masks_BN, g), of_group(pass.visible_BK, g)));
    groups.push_back({embedded.back().size(0), embedded.back().size(1)});
  }
  Tensor tokens = pack(embedded);
  for (const auto& block : *blocks) tokens = block->as<BlockImpl>()->forward(tokens, groups, pass.drop_path ? &*pass.drop_path : nullptr);
  return unpack(tokens, groups);
}

Tensor VitImpl::normalise(const Tensor& tokens) { return norm.is_empty() ? tokens : norm(tokens); }

Tensor VitImpl::forward_tokens(const Tensor& images_BCHW, const VitPass& pass) { return normalise(forward_prenorm({images_BCHW}, pass).front()); }

Tensor VitImpl::pool(const Tensor& tokens_BND) {
  const Tensor feature = config_.global_pool == "token" ? class_tokens(tokens_BND) : patch_tokens(tokens_BND).mean(1);
  return fc_norm.is_empty() ? feature : fc_norm(feature);
}

std::vector<Tensor> VitImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const VitPass& pass) {
  std::vector<Tensor> features;
  for (const Tensor& tokens : forward_prenorm(groups_BCHW, pass)) {
    const bool one_token = config_.global_pool == "token";
    features.push_back(pool(normalise(one_token ? tokens.slice(1, 0, 1) : tokens)));
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

}  // namespace eosin::nn
