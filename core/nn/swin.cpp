#include "core/nn/swin.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/stage_names.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::nn {
namespace {

torch::nn::LayerNorm layer_norm(int64_t dim, double eps) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(eps)); }

/// A grid that fits into the window is one window.
Extent window_of(const SwinConfig& config, size_t stage) {
  Extent window{};
  for (size_t axis = 0; axis < 2; ++axis) window[axis] = std::min(config.window, SwinConfig::grid_side(config.img_size[axis], stage));
  return window;
}

Extent shift_of(const SwinConfig& config, size_t stage, int64_t index) {
  Extent shift{0, 0};
  if (index % 2 == 0) return shift;
  for (size_t axis = 0; axis < 2; ++axis)
    if (SwinConfig::grid_side(config.img_size[axis], stage) > config.window) shift[axis] = config.window / 2;
  return shift;
}

}  // namespace

std::string SwinConfig::layer_name(const std::string& parameter) const { return number_blocks(parameter, R"(layers\.)", R"(\.blocks\.)", depths); }

int64_t SwinConfig::kept_elements(int64_t height, int64_t width) const {
  int64_t kept = 0;
  for (size_t stage = 0; stage < depths.size(); ++stage) kept += depths[stage] * 18 * dim(stage) * grid_side(height, stage) * grid_side(width, stage);
  return kept;
}

void SwinConfig::check() const {
  EOSIN_CHECK(img_size.size() == 2 && depths.size() == 4 && num_heads.size() == 4, Config,
              "[swin] img_size has {} numbers, depths {} and num_heads {} (need 2, 4 and 4)", img_size.size(), depths.size(), num_heads.size());
  for (const int64_t side : img_size)
    EOSIN_CHECK(side >= 4 && side % 4 == 0, Config, "[swin] image size {} is not a multiple of 4; nearest: {} or {}", side,
                std::max<int64_t>(side / 4, 1) * 4, (side / 4 + 1) * 4);
  for (size_t stage = 0; stage < num_heads.size(); ++stage)
    EOSIN_CHECK(num_heads[stage] > 0 && dim(stage) % num_heads[stage] == 0, Config, "[swin] width {} of stage {} does not divide among {} heads",
                dim(stage), stage, num_heads[stage]);
  EOSIN_CHECK(stem != "conv" || embed_dim % 8 == 0, Config, "[swin] a ConvStem needs a width that is a multiple of 8 (got {})", embed_dim);
}

SwinStemImpl::SwinStemImpl(const SwinConfig& config, const std::shared_ptr<Comm>& comm) {
  using Options = torch::nn::Conv2dOptions;
  const int64_t dim = config.embed_dim;
  if (config.stem == "patch") {
    convs_.push_back(register_module("proj", torch::nn::Conv2d(Options(config.in_chans, dim, 4).stride(4))));
  } else {
    const auto proj = register_module("proj", std::make_shared<torch::nn::Module>("proj"));
    for (int64_t i = 0, in = config.in_chans, out = dim / 8; i < 2; ++i, in = out, out *= 2) {
      convs_.push_back(proj->register_module(std::to_string(3 * i), torch::nn::Conv2d(Options(in, out, 3).stride(2).padding(1).bias(false))));
      norms_.push_back(proj->register_module(std::to_string(3 * i + 1), BatchNorm(out, comm)));
    }
    convs_.push_back(proj->register_module("6", torch::nn::Conv2d(Options(dim / 4, dim, 1))));
  }
  norm = register_module("norm", layer_norm(dim, config.norm_eps));
}

Tensor SwinStemImpl::forward(const Tensor& images_BCHW) {
  Tensor x = images_BCHW;
  for (size_t i = 0; i < convs_.size(); ++i) {
    x = convs_[i](x);
    if (i < norms_.size()) x = at::relu(norms_[i](x));
  }
  return norm(x.permute({0, 2, 3, 1}));
}

SwinBlockImpl::SwinBlockImpl(const SwinConfig& config, size_t stage, int64_t index, int64_t number)
    : number_(number), drop_rate_(drop_rate_at(config.drop_path_rate, config.drop_path_uniform, number, config.blocks())) {
  const int64_t dim = config.dim(stage);
  norm1 = register_module("norm1", layer_norm(dim, config.norm_eps));
  attn = register_module("attn", WindowAttention(dim, config.num_heads[stage], window_of(config, stage), shift_of(config, stage, index)));
  norm2 = register_module("norm2", layer_norm(dim, config.norm_eps));
  mlp = register_module("mlp", Mlp(dim, 4 * dim, false));
}

Tensor SwinBlockImpl::forward(const Tensor& grid_BHWC, const GroupDropPath& drop_path) {
  const auto slot = static_cast<uint32_t>(2 * number_);
  const Tensor x = add_branch(grid_BHWC, drop_rate_, drop_path, slot, [this](const Tensor& t) { return attn(norm1(t)); });
  return add_branch(x, drop_rate_, drop_path, slot + 1, [this](const Tensor& t) { return mlp(norm2(t)); });
}

PatchMergingImpl::PatchMergingImpl(int64_t dim, double norm_eps) {
  norm = register_module("norm", layer_norm(4 * dim, norm_eps));
  reduction = register_module("reduction", torch::nn::Linear(torch::nn::LinearOptions(4 * dim, 2 * dim).bias(false)));
}

Tensor PatchMergingImpl::forward(const Tensor& grid_BHWC) {
  const int64_t below = grid_BHWC.size(1) % 2, beside = grid_BHWC.size(2) % 2;
  const Tensor even = below + beside > 0 ? at::constant_pad_nd(grid_BHWC, {0, 0, 0, beside, 0, below}) : grid_BHWC;
  const Tensor four = even.reshape({even.size(0), even.size(1) / 2, 2, even.size(2) / 2, 2, even.size(3)}).permute({0, 1, 3, 4, 2, 5}).flatten(3);
  return reduction(norm(four));
}

SwinImpl::SwinImpl(const SwinConfig& config, const std::shared_ptr<Comm>& comm) : config_(config) {
  config.check();
  patch_embed = register_module("patch_embed", SwinStem(config, comm));
  const auto layers = register_module("layers", std::make_shared<torch::nn::Module>("layers"));
  for (size_t i = 0; i < config.depths.size(); ++i) {
    const auto layer = layers->register_module(std::to_string(i), std::make_shared<torch::nn::Module>("layer"));
    Stage stage;
    if (i > 0) stage.downsample = layer->register_module("downsample", PatchMerging(config.dim(i - 1), config.norm_eps));
    stage.blocks = layer->register_module("blocks", torch::nn::ModuleList());
    for (int64_t j = 0; j < config.depths[i]; ++j) stage.blocks->push_back(SwinBlock(config, i, j, block_number(config.depths, i, j)));
    stages_.push_back(std::move(stage));
  }
  norm = register_module("norm", layer_norm(config.token_dim(), config.norm_eps));
}

void SwinImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const Tensor& p = item.value();
    if (p.dim() == 4)
      init_fan_in(p, p.size(1) * p.size(2) * p.size(3), seed, name);
    else if (p.dim() == 2)
      init_normal(p, 0.02, seed, name);
    else
      p.fill_(name.ends_with(".weight") ? 1 : 0);
  }
}

Tensor SwinImpl::last_stage(const Tensor& images_BCHW, const GroupDropPath& drop_path) {
  check_images(images_BCHW, config_.in_chans, config_.size_multiple(), config_.least_size());
  Tensor x = patch_embed(images_BCHW);
  for (Stage& stage : stages_) {
    if (!stage.downsample.is_empty()) x = stage.downsample(x);
    for (const auto& block : *stage.blocks) x = block->as<SwinBlockImpl>()->forward(x, drop_path);
  }
  return norm(x);
}

std::vector<ImageTokens> SwinImpl::encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  std::vector<ImageTokens> out;
  for (const Tensor& group : groups_BCHW) {
    const Tensor x = last_stage(group, {drop_path, static_cast<uint32_t>(out.size())});
    out.push_back({{}, x.mean({1, 2}), x.flatten(1, 2), {x.size(1), x.size(2)}, {}});
  }
  return out;
}

std::vector<Tensor> SwinImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  std::vector<Tensor> features;
  for (const Tensor& group : groups_BCHW) features.push_back(last_stage(group, {drop_path, static_cast<uint32_t>(features.size())}).mean({1, 2}));
  return features;
}

}  // namespace eosin::nn
