#include "ssl/mae_decoder.h"

#include "core/nn/init.h"
#include "core/nn/pos_embed.h"
#include "core/nn/sincos_pos_embed.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>

namespace eosin::ssl {
namespace {

nn::VitConfig block_config(const MaeDecoderShape& shape) {
  nn::VitConfig config;
  config.img_size = {shape.grid.rows * shape.patch_size, shape.grid.cols * shape.patch_size};
  config.patch_size = shape.patch_size;
  config.embed_dim = shape.dim;
  config.depth = shape.depth;
  config.num_heads = shape.num_heads;
  config.mlp_hidden = shape.mlp_hidden;
  config.check();
  return config;
}

}  // namespace

void check_decoder_dim(int64_t dim, int64_t num_heads, config::Problems& problems) {
  for (const int64_t unit : {int64_t{4}, num_heads})
    if (dim % unit != 0) {
      const int64_t below = dim / unit * unit;
      problems.add("decoder_dim", fmt::format("{} is not a multiple of {} {}; nearest: {} or {}", dim, unit,
                                              unit == 4 ? "(sine-cosine positions)" : "heads", std::max(below, unit), below + unit));
    }
}

MaeDecoderImpl::MaeDecoderImpl(const MaeDecoderShape& shape) : shape_(shape) {
  const nn::VitConfig config = block_config(shape);
  embed = register_module("embed", torch::nn::Linear(shape.in_dim, shape.dim));
  mask_token = register_parameter("mask_token", torch::zeros({1, 1, shape.dim}));
  pos_embed = register_parameter("pos_embed", nn::sincos_pos_embed(shape.grid, shape.dim, nn::SincosOrder::XFirst, 1), false);
  blocks = register_module("blocks", torch::nn::ModuleList());
  for (int64_t i = 0; i < shape.depth; ++i) blocks->push_back(nn::Block(config, i));
  norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({shape.dim}).eps(config.norm_eps)));
  pred = register_module("pred", torch::nn::Linear(shape.dim, shape.patch_size * shape.patch_size * shape.in_chans));
}

void MaeDecoderImpl::init_weights(uint64_t seed, const std::string& decoder) {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    const std::string name = decoder + "." + item.key();
    const Tensor& p = item.value();
    if (p.is_same(pos_embed))
      p.copy_(nn::sincos_pos_embed(shape_.grid, shape_.dim, nn::SincosOrder::XFirst, 1));
    else if (p.is_same(mask_token))
      nn::init_normal(p, 0.02, seed, name);
    else if (p.dim() == 2)
      nn::init_xavier(p, p.size(1), p.size(0), seed, name);
    else
      p.fill_(name.ends_with(".weight") ? 1 : 0);  // norms; biases
  }
}

Tensor MaeDecoderImpl::forward(const Tensor& cls_BD, const Tensor& visible_BKD, const Tensor& restore_BN, std::optional<nn::PatchGrid> grid) {
  const int64_t batch = restore_BN.size(0), patches = restore_BN.size(1), removed = patches - visible_BKD.size(1);
  const Tensor visible = embed(visible_BKD);
  const Tensor shuffled = at::cat({visible, mask_token.to(visible.scalar_type()).expand({batch, removed, -1})}, 1);
  const Tensor in_place = shuffled.gather(1, restore_BN.unsqueeze(-1).expand({-1, -1, shape_.dim}));
  const Tensor positions = nn::resample_pos_embed(pos_embed, shape_.grid, grid.value_or(shape_.grid), /*prefix_tokens=*/1, {});
  const Tensor tokens = at::cat({embed(cls_BD).unsqueeze(1), in_place}, 1) + positions;
  const nn::TokenGroups groups = {{batch, patches + 1}};
  Tensor x = nn::pack({tokens});
  for (const auto& block : *blocks) x = block->as<nn::BlockImpl>()->forward(x, groups, nullptr);
  return pred(norm(nn::unpack(x, groups).front().slice(1, 1)));
}

}  // namespace eosin::ssl
