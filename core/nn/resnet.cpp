#include "core/nn/resnet.h"

#include "core/base/error.h"
#include "core/nn/init.h"
#include "core/nn/stage_names.h"

#include <ATen/ATen.h>

#include <cmath>

namespace eosin::nn {
namespace {

torch::nn::Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).bias(false));
}

}  // namespace

std::string ResNetConfig::layer_name(const std::string& parameter) const {
  // Stages are called layer1 to layer4.
  const std::string numbered = number_blocks(parameter, "layer", R"(\.)", {0, depths[0], depths[1], depths[2], depths[3]});
  if (numbered != parameter) return numbered;
  for (const char* stem : {"conv1.", "bn1."})
    if (parameter.find(stem) != std::string::npos) return "patch_embed." + parameter;
  return parameter;
}

int64_t ResNetConfig::kept_elements(int64_t height, int64_t width_px) const {
  int64_t kept = 3 * width * (height / 2) * (width_px / 2);
  for (size_t stage = 0; stage < depths.size(); ++stage) {
    const int64_t scale = int64_t{4} << stage, inner = width << stage;
    const int64_t channels = block == "basic" ? 6 * inner : 6 * inner + 3 * inner * expansion();
    kept += depths[stage] * channels * (height / scale) * (width_px / scale);
  }
  return kept;
}

void ResNetConfig::check() const {
  EOSIN_CHECK(img_size.size() == 2 && depths.size() == 4, Config, "[resnet] img_size has {} numbers and depths {} (need 2 and 4)", img_size.size(),
              depths.size());
}

ResNetBlockImpl::ResNetBlockImpl(bool bottleneck, int64_t in, int64_t width, int64_t out, int64_t stride, const std::shared_ptr<Comm>& comm) {
  const auto norm = [&](const char* name, int64_t dim) { return register_module(name, BatchNorm(dim, comm)); };
  conv1 = register_module("conv1", bottleneck ? conv(in, width, 1, 1) : conv(in, width, 3, stride));
  bn1 = norm("bn1", width);
  conv2 = register_module("conv2", bottleneck ? conv(width, width, 3, stride) : conv(width, out, 3, 1));
  bn2 = norm("bn2", bottleneck ? width : out);
  if (bottleneck) {
    conv3 = register_module("conv3", conv(width, out, 1, 1));
    bn3 = norm("bn3", out);
  }
  if (stride == 1 && in == out) return;
  const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>("downsample"));
  downsample_conv_ = downsample->register_module("0", conv(in, out, 1, stride));
  downsample_norm_ = downsample->register_module("1", BatchNorm(out, comm));
}

Tensor ResNetBlockImpl::forward(const Tensor& x_BCHW) {
  Tensor x = bn2(conv2(at::relu(bn1(conv1(x_BCHW)))));
  if (!conv3.is_empty()) x = bn3(conv3(at::relu(x)));
  return at::relu(x + (downsample_conv_.is_empty() ? x_BCHW : downsample_norm_(downsample_conv_(x_BCHW))));
}

ResNetImpl::ResNetImpl(const ResNetConfig& config, const std::shared_ptr<Comm>& comm) : config_(config) {
  config.check();
  conv1 = register_module("conv1", torch::nn::Conv2d(torch::nn::Conv2dOptions(config.in_chans, config.width, 7).stride(2).padding(3).bias(false)));
  bn1 = register_module("bn1", BatchNorm(config.width, comm));
  int64_t in = config.width;
  for (size_t stage = 0; stage < config.depths.size(); ++stage) {
    const int64_t width = config.width << stage, out = width * config.expansion();
    stages_.push_back(register_module(fmt::format("layer{}", stage + 1), torch::nn::ModuleList()));
    for (int64_t i = 0; i < config.depths[stage]; ++i, in = out)
      stages_.back()->push_back(ResNetBlock(config.block == "bottleneck", in, width, out, i == 0 && stage > 0 ? 2 : 1, comm));
  }
}

void ResNetImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  const std::string last_norm = config_.block == "basic" ? ".bn2.weight" : ".bn3.weight";
  for (const auto& item : named_parameters()) {
    const std::string& name = item.key();
    const Tensor& p = item.value();
    if (p.dim() == 4)
      init_normal(p, std::sqrt(2.0 / static_cast<double>(p.size(0) * p.size(2) * p.size(3))), seed, name);
    else
      p.fill_(name.ends_with(".weight") && !name.ends_with(last_norm) ? 1 : 0);
  }
}

Tensor ResNetImpl::last_stage(const Tensor& images_BCHW) {
  check_images(images_BCHW, config_.in_chans, config_.size_multiple(), config_.least_size());
  Tensor x = at::max_pool2d(at::relu(bn1(conv1(images_BCHW))), 3, 2, 1);
  for (const torch::nn::ModuleList& stage : stages_)
    for (const auto& block : *stage) x = block->as<ResNetBlockImpl>()->forward(x);
  return x;
}

std::vector<ImageTokens> ResNetImpl::encode(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>&) {
  std::vector<ImageTokens> out;
  for (const Tensor& group : groups_BCHW) {
    const Tensor x = last_stage(group);
    out.push_back({{}, x.mean({2, 3}), x.flatten(2).transpose(1, 2), {x.size(2), x.size(3)}, {}});
  }
  return out;
}

std::vector<Tensor> ResNetImpl::forward_features(const std::vector<Tensor>& groups_BCHW, const std::optional<DropPathKey>&) {
  std::vector<Tensor> features;
  for (const Tensor& group : groups_BCHW) features.push_back(last_stage(group).mean({2, 3}));
  return features;
}

}  // namespace eosin::nn
