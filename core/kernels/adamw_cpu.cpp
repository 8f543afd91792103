// Specification of the fused AdamW update. Compiled with -O3 -fno-math-errno (CMakeLists.txt) so that the loops vectorise;
// contraction stays off and every operation is rounded on its own, hence any vector width gives the same bits.
#include "core/kernels/adamw.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace eosin::kernels {
namespace {

/// What the inner loop needs of one tensor, in the tensor's own precision.
template <class T>
struct Rates {
  T keep, lerp1, beta2, lerp2, step_size, root_bc2, eps, grad_scale, ema_keep, ema_lerp;

  Rates(const AdamWTensor& t, const AdamWOptions& o) {
    const double bc1 = 1 - std::pow(o.beta1, static_cast<double>(t.step));
    const double bc2 = 1 - std::pow(o.beta2, static_cast<double>(t.step));
    keep = static_cast<T>(1 - t.lr * t.weight_decay);
    lerp1 = static_cast<T>(1 - o.beta1);
    beta2 = static_cast<T>(o.beta2);
    lerp2 = static_cast<T>(1 - o.beta2);
    step_size = static_cast<T>(t.lr / bc1);
    root_bc2 = static_cast<T>(std::sqrt(bc2));
    eps = static_cast<T>(o.eps);
    grad_scale = static_cast<T>(t.grad_scale);
    ema_keep = static_cast<T>(o.ema_momentum);
    ema_lerp = static_cast<T>(1 - o.ema_momentum);
  }
};

template <class T>
struct Pointers {
  T *p, *m, *v, *vmax, *ema;
  const T* g;
};

/// The update of n elements; the optional parts are template arguments so that the loop has no branch.
template <class T, bool kAmsgrad, bool kEma>
void update(const Pointers<T>& at, const Rates<T>& r, int64_t n) {
  T* __restrict p = at.p;
  T* __restrict m = at.m;
  T* __restrict v = at.v;
  T* __restrict vmax = at.vmax;
  T* __restrict ema = at.ema;
  const T* __restrict g = at.g;
  for (int64_t i = 0; i < n; ++i) {
    const T gi = g[i] * r.grad_scale;
    const T mi = m[i] + r.lerp1 * (gi - m[i]);
    const T vi = r.beta2 * v[i] + r.lerp2 * gi * gi;
    T second = vi;
    if constexpr (kAmsgrad) {
      second = vmax[i] < vi || vi != vi ? vi : vmax[i];
      vmax[i] = second;
    }
    const T pi = p[i] * r.keep - r.step_size * mi / (std::sqrt(second) / r.root_bc2 + r.eps);
    m[i] = mi;
    v[i] = vi;
    p[i] = pi;
    if constexpr (kEma) ema[i] = r.ema_keep * ema[i] + r.ema_lerp * pi;
  }
}

/// A stretch of one tensor. Stretches have a fixed length: the work is the same for any number of threads.
struct Chunk {
  size_t tensor;
  int64_t begin, size;
};
constexpr int64_t kChunk = 32768;

template <class T>
T* data(const Tensor& t, int64_t begin) {
  return t.defined() ? t.data_ptr<T>() + begin : nullptr;
}

template <class T>
void update_chunk(const AdamWTensor& t, const Rates<T>& rates, const Chunk& c) {
  const Pointers<T> at{data<T>(t.p, c.begin),    data<T>(t.m, c.begin),   data<T>(t.v, c.begin),
                       data<T>(t.vmax, c.begin), data<T>(t.ema, c.begin), data<T>(t.g, c.begin)};
  if (at.vmax != nullptr)
    at.ema != nullptr ? update<T, true, true>(at, rates, c.size) : update<T, true, false>(at, rates, c.size);
  else
    at.ema != nullptr ? update<T, false, true>(at, rates, c.size) : update<T, false, false>(at, rates, c.size);
}

}  // namespace

void adamw_step_cpu(std::span<const AdamWTensor> tensors, const AdamWOptions& options) {
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < tensors.size(); ++i)
    for (int64_t begin = 0, n = tensors[i].p.numel(); begin < n; begin += kChunk) chunks.push_back({i, begin, std::min(kChunk, n - begin)});
  at::parallel_for(0, static_cast<int64_t>(chunks.size()), 1, [&](int64_t first, int64_t last) {
    for (int64_t k = first; k < last; ++k) {
      const Chunk& c = chunks[static_cast<size_t>(k)];
      const AdamWTensor& t = tensors[c.tensor];
      if (t.p.scalar_type() == at::kFloat)
        update_chunk<float>(t, Rates<float>(t, options), c);
      else
        update_chunk<double>(t, Rates<double>(t, options), c);
    }
  });
}

}  // namespace eosin::kernels
