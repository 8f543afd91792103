#include "core/nn/init.h"

#include "core/base/rng.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace eosin::nn {
namespace {

uint64_t fnv1a(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

/// Elements 4i..4i+3 come from words 4i..4i+3 of RandomStream(seed, hash of the name, 0, kInit).
template <class Draw>
void fill(const Tensor& t, uint64_t seed, std::string_view name, Draw draw) {
  Tensor values = at::empty({t.numel()}, at::kFloat);
  float* out = values.mutable_data_ptr<float>();
  const int64_t n = t.numel(), blocks = (n + 3) / 4;
  const uint64_t position = fnv1a(name);
  at::parallel_for(0, blocks, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Words counter{static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), static_cast<uint32_t>(RandomOp::kInit),
                          static_cast<uint32_t>(i)};
      const std::array<float, 4> four = draw(philox4x32(counter, {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}));
      std::copy_n(four.begin(), std::min<int64_t>(4, n - 4 * i), out + 4 * i);
    }
  });
  const at::NoGradGuard no_grad;
  t.copy_(values.view(t.sizes()));
}

}  // namespace

void init_normal(const Tensor& t, double std, uint64_t seed, std::string_view name) {
  const float s = static_cast<float>(std);
  fill(t, seed, name, [s](const Words& w) {
    const auto a = normal(w[0], w[1]), b = normal(w[2], w[3]);
    return std::array<float, 4>{s * a[0], s * a[1], s * b[0], s * b[1]};
  });
}

void init_uniform(const Tensor& t, double bound, uint64_t seed, std::string_view name) {
  const float b = static_cast<float>(bound);
  fill(t, seed, name, [b](const Words& w) {
    std::array<float, 4> four;
    for (size_t i = 0; i < 4; ++i) four[i] = b * (2.0f * uniform(w[i]) - 1.0f);
    return four;
  });
}

void init_fan_in(const Tensor& t, int64_t fan_in, uint64_t seed, std::string_view name) {
  init_uniform(t, 1.0 / std::sqrt(static_cast<double>(fan_in)), seed, name);
}

void init_xavier(const Tensor& t, int64_t fan_in, int64_t fan_out, uint64_t seed, std::string_view name) {
  init_uniform(t, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)), seed, name);
}

}  // namespace eosin::nn
