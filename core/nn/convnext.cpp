#include "core/nn/convnext.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/stage_names.h"

#include <ATen/ATen.h>
#include <torch/types.h>

namespace eosin::nn {
namespace {

/// Layer norm over the channels of each position.
Tensor normed(torch::nn::LayerNorm& norm, const Tensor& x_BCHW) { return norm(x_BCHW.permute({0, 2, 3, 1})).permute({0, 3, 1, 2}); }

std::shared_ptr<torch::nn::Module> part(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

}  // namespace

std::string ConvNextConfig::layer_name(const std::string& parameter) const {
  const std::string numbered = number_blocks(parameter, R"(stages\.)", R"(\.blocks\.)", depths);
  return parameter.find("stem.") == std::string::npos ? numbered : "patch_embed." + parameter;
}

int64_t ConvNextConfig::kept_elements(int64_t height, int64_t width) const {
  int64_t kept = 0;
  for (size_t stage = 0; stage < depths.size(); ++stage) {
    const int64_t scale = int64_t{4} << stage;
    kept += depths[stage] * 13 * dims[stage] * (height / scale) * (width / scale);
  }
  return kept;
}

void ConvNextConfig::check() const {
  EOSIN_CHECK(img_size.size() == 2 && depths.size() == 4 && dims.size() == 4, Config,
              "[convnext] img_size has {} numbers, depths {} and dims {} (need 2, 4 and 4)", img_size.size(), depths.size(), dims.size());
}

ConvNextBlockImpl::ConvNextBlockImpl(const ConvNextConfig& config, int64_t dim, int64_t number)
    : number_(number), drop_rate_(drop_rate_at(config.drop_path_rate, config.drop_path_uniform, number, config.blocks())) {
  conv_dw = register_module("conv_dw", torch::nn::Conv2d(torch::nn::Conv2dOptions(dim, dim, 7).padding(3).groups(dim)));
  norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(config.norm_eps)));
  mlp = register_module("mlp", Mlp(dim, 4 * dim, false));
  gamma = register_parameter("gamma", torch::full({dim}, config.init_values));
}

Tensor ConvNextBlockImpl::forward(const Tensor& x_BCHW, const GroupDropPath& drop_path) {
  const auto branch = [this](const Tensor& x) { return (gamma * mlp(norm(conv_dw(x).permute({0, 2, 3, 1})))).permute({0, 3, 1, 2}); };
  return add_branch(x_BCHW, drop_rate_, drop_path, static_cast<uint32_t>(number_), branch);
}

ConvNextImpl::ConvNextImpl(const ConvNextConfig& config) : config_(config) {
  config.check();
  const auto norm = [&](int64_t dim) { return torch::nn::LayerNorm(torch::nn::LayerNormOptions({dim}).eps(config.norm_eps)); };
  const auto conv = [](int64_t in, int64_t out, int64_t side) { return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, side).stride(side)); };
  const auto stem = part(*this, "stem"), stages = part(*this, "stages");
  shrinks_.push_back({stem->register_module("1", norm(config.dims[0])), stem->register_module("0", conv(config.in_chans, config.dims[0], 4))});
  for (size_t i = 0; i < config.dims.size(); ++i) {
    const auto stage = part(*stages, std::to_string(i));
    if (i > 0) {
      const auto shrink = part(*stage, "downsample");
      shrinks_.push_back(
          {shrink->register_module("0", norm(config.dims[i - 1])), shrink->register_module("1", conv(config.dims[i - 1], config.dims[i], 2))});
    }
    stages_.push_back(stage->register_module("blocks", torch::nn::ModuleList()));
    for (int64_t j = 0; j < config.depths[i]; ++j) stages_[i]->push_back(ConvNextBlock(config, config.dims[i], block_number(config.depths, i, j)));
  }
  norm_ = part(*this, "head")->register_module("norm", norm(config.dims.back()));
}

void ConvNextImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const Tensor& p = item.value();
    if (p.dim() > 1)
      init_normal(p, 0.02, seed, name);
    else
      p.fill_(name.ends_with(".gamma") ? config_.init_values : name.ends_with(".weight") ? 1 : 0);
  }
}

Tensor ConvNextImpl::last_stage(const Tensor& images_BCHW, const GroupDropPath& drop_path) {
  check_images(images_BCHW, config_.in_chans, config_.size_multiple(), config_.least_size());
  Tensor x = normed(shrinks_[0].norm, shrinks_[0].conv(images_BCHW));
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (i > 0) x = shrinks_[i].conv(normed(shrinks_[i].norm, x));
    for (const auto& block : *stages_[i]) x = block->as<ConvNextBlockImpl>()->forward(x, drop_path);
  }
  return x;
}

std::vector<ImageTokens> ConvNextImpl::encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  std::vector<ImageTokens> out;
  for (const Tensor& group : groups_BCHW) {
    const Tensor x = last_stage(group, {drop_path, static_cast<uint32_t>(out.size())});
    out.push_back({{}, norm_(x.mean({2, 3})), norm_(x.flatten(2).transpose(1, 2)), {x.size(2), x.size(3)}, {}});
  }
  return out;
}

std::vector<Tensor> ConvNextImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>& drop_path) {
  std::vector<Tensor> features;
  for (const Tensor& group : groups_BCHW)
    features.push_back(norm_(last_stage(group, {drop_path, static_cast<uint32_t>(features.size())}).mean({2, 3})));
  return features;
}

}  // namespace eosin::nn
