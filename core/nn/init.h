#pragma once
// Initial weights as a pure function of (seed, parameter name): the same on every machine, rank and thread count, and a new
// parameter never shifts another's values.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <string_view>

namespace eosin::nn {

/// Overwrites `t` with normal draws of mean 0. (The field's "truncated normal 0.02" cuts at +-2, a hundred deviations away.)
/// Checked  tests/nn/test_init.cpp.
void init_normal(const Tensor& t, double std, uint64_t seed, std::string_view name);

/// Overwrites `t` with draws from [-bound, bound).
void init_uniform(const Tensor& t, double bound, uint64_t seed, std::string_view name);

/// The default of torch's Linear and Conv layers: uniform within 1 / sqrt(fan_in).
void init_fan_in(const Tensor& t, int64_t fan_in, uint64_t seed, std::string_view name);

/// Uniform within sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
void init_xavier(const Tensor& t, int64_t fan_in, int64_t fan_out, uint64_t seed, std::string_view name);

}  // namespace eosin::nn
