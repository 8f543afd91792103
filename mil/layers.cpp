#include "mil/layers.h"

#include "core/base/error.h"
#include "core/nn/init.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

namespace eosin::mil {
namespace {

/// "a.b.c" -> {"a.b", "c"}.
std::pair<std::string, std::string> split_last(const std::string& path) {
  const size_t dot = path.rfind('.');
  return dot == std::string::npos ? std::pair<std::string, std::string>{"", path} : std::pair{path.substr(0, dot), path.substr(dot + 1)};
}

/// Weights [out, in, kernel...] as torch counts their fans.
struct Fans {
  int64_t in, out;
};
Fans fans_of(const Tensor& weight) {
  const int64_t kernel = weight.numel() / (weight.size(0) * weight.size(1));
  return {weight.size(1) * kernel, weight.size(0) * kernel};
}

void init_layer(const Tensor& weight, const Tensor& bias, const std::string& scheme, uint64_t seed, const std::string& name) {
  const Fans fans = fans_of(weight);
  if (scheme == "xavier") {
    nn::init_normal(weight, std::sqrt(2.0 / static_cast<double>(fans.in + fans.out)), seed, name + ".weight");
    if (bias.defined()) bias.zero_();
    return;
  }
  nn::init_fan_in(weight, fans.in, seed, name + ".weight");
  if (bias.defined()) nn::init_fan_in(bias, fans.in, seed, name + ".bias");
}

}  // namespace

torch::nn::Module& module_at(torch::nn::Module& owner, const std::string& path) {
  if (path.empty()) return owner;
  const size_t dot = path.find('.');
  const std::string first = path.substr(0, dot), rest = dot == std::string::npos ? "" : path.substr(dot + 1);
  const auto children = owner.named_children();
  const auto* found = children.find(first);
  torch::nn::Module& child = found ? **found : *owner.register_module(first, std::make_shared<torch::nn::Module>(first));
  return module_at(child, rest);
}

Linear add_linear(torch::nn::Module& owner, const std::string& path, int64_t in, int64_t out, bool bias) {
  const auto [parent, name] = split_last(path);
  return module_at(owner, parent).register_module(name, Linear(torch::nn::LinearOptions(in, out).bias(bias)));
}

LayerNorm add_norm(torch::nn::Module& owner, const std::string& path, int64_t dim, double eps) {
  const auto [parent, name] = split_last(path);
  return module_at(owner, parent).register_module(name, LayerNorm(torch::nn::LayerNormOptions({dim}).eps(eps)));
}

Tensor project(Linear& layer, const Tensor& x) { return layer(x.to(layer->weight.scalar_type())); }

Tensor add_parameter(torch::nn::Module& owner, const std::string& path, at::IntArrayRef shape) {
  const auto [parent, name] = split_last(path);
  return module_at(owner, parent).register_parameter(name, torch::zeros(shape));
}

void init_layers(torch::nn::Module& module, const std::string& scheme, uint64_t seed, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  for (const auto& item : module.named_modules(prefix, false)) {
    torch::nn::Module& m = *item.value();
    if (auto* linear = m.as<torch::nn::LinearImpl>()) init_layer(linear->weight, linear->bias, scheme, seed, item.key());
    if (auto* conv = m.as<torch::nn::Conv1dImpl>()) init_layer(conv->weight, conv->bias, scheme, seed, item.key());
    if (auto* conv = m.as<torch::nn::Conv2dImpl>()) init_layer(conv->weight, conv->bias, scheme, seed, item.key());
    if (auto* norm = m.as<torch::nn::LayerNormImpl>()) norm->weight.fill_(1), norm->bias.zero_();
  }
}

Tensor activate(const Tensor& x, const std::string& name) {
  if (name == "relu") return x.relu();
  if (name == "gelu") return at::gelu(x);
  if (name == "tanh") return x.tanh();
  if (name == "leaky_relu") return at::leaky_relu(x, 0.01);
  if (name == "silu") return at::silu(x);
  fail(ErrorKind::Config, "[mil] unknown activation '{}' (need relu, gelu, tanh, leaky_relu or silu)", name);
}

}  // namespace eosin::mil
