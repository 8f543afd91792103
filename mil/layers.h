#pragma once
// Layers registered under dotted names: the names of the published state dicts, without a class for each dot.
#include "core/tensor/tensor.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <cstdint>
#include <string>

namespace eosin::mil {

using torch::nn::LayerNorm;
using torch::nn::Linear;

/// The module under a dotted path below `owner`; what is missing on the way is made.
torch::nn::Module& module_at(torch::nn::Module& owner, const std::string& path);

Linear add_linear(torch::nn::Module& owner, const std::string& path, int64_t in, int64_t out, bool bias = true);
LayerNorm add_norm(torch::nn::Module& owner, const std::string& path, int64_t dim, double eps = 1e-5);
/// The layer's answer to features as they are stored, half precision too.
Tensor project(Linear& layer, const Tensor& x);
/// A parameter of its own, zero until init_weights.
Tensor add_parameter(torch::nn::Module& owner, const std::string& path, at::IntArrayRef shape);

/// "fan_in": torch's default of linear and convolution layers. "xavier": normal draws of variance 2 / (fan_in + fan_out), zero biases,
/// as CLAM and its successors do. Norms are 1 and 0. Parameters of no layer are left alone.
void init_layers(torch::nn::Module& module, const std::string& scheme, uint64_t seed, const std::string& prefix = "");

/// "relu", "gelu", "tanh", "leaky_relu" (slope 0.01), "silu".
Tensor activate(const Tensor& x, const std::string& name);

}  // namespace eosin::mil
