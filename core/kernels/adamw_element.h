#pragma once
// The arithmetic of one AdamW element, for adamw_cpu.cpp and adamw_cuda.cu alike: one text, hence the same bits (both are
// compiled without contraction). Plain C++17, no torch.
#include "core/kernels/host_device.h"

#include <cmath>
#include <cstdint>

namespace eosin::kernels {

/// The scalars of one tensor's update, rounded once from double to the tensor's precision.
template <class T>
struct AdamWRates {
  T keep;                 // 1 - lr * weight_decay
  T lerp1, beta2, lerp2;  // 1 - beta1, beta2, 1 - beta2
  T step_size;            // lr / (1 - beta1^t)
  T root_bc2;             // sqrt(1 - beta2^t)
  T eps, grad_scale;
  T ema_keep, ema_lerp;  // momentum of the average, and 1 less it
};

/// One tensor, or a stretch of it: `vmax` and `ema` may be null. Without a gradient `g` the average `ema` alone moves.
template <class T>
struct AdamWSlot {
  T *p, *m, *v, *vmax, *ema;
  const T* g;
  int64_t size;
  AdamWRates<T> rates;
};

template <class T>
struct AdamWValues {
  T p, m, v, vmax, ema;
};

/// The average moved towards p, from the nearer end: exactly p where they are equal or the momentum is 0, unmoved where it is 1.
template <class T>
EOSIN_HOST_DEVICE inline T ema_element(T ema, T p, const AdamWRates<T>& r) {
  const T way = p - ema;
  return r.ema_lerp < T(0.5) ? ema + r.ema_lerp * way : p - r.ema_keep * way;
}

/// Updates x in place; vmax and ema only where the template says so.
template <bool kAmsgrad, bool kEma, class T>
EOSIN_HOST_DEVICE inline void adamw_element(AdamWValues<T>& x, T gradient, const AdamWRates<T>& r) {
  const T g = gradient * r.grad_scale;
  x.m = x.m + r.lerp1 * (g - x.m);
  x.v = r.beta2 * x.v + r.lerp2 * g * g;
  T second = x.v;
  if (kAmsgrad) second = x.vmax = x.vmax < x.v || x.v != x.v ? x.v : x.vmax;
  x.p = x.p * r.keep - r.step_size * x.m / (std::sqrt(second) / r.root_bc2 + r.eps);
  if (kEma) x.ema = ema_element(x.ema, x.p, r);
}

}  // namespace eosin::kernels
