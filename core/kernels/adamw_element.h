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
  T ema_keep, ema_lerp;
};

/// One tensor, or a stretch of it: `vmax` and `ema` may be null.
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

/// Updates x in place; vmax and ema only where the template says so.
template <bool kAmsgrad, bool kEma, class T>
EOSIN_HOST_DEVICE inline void adamw_element(AdamWValues<T>& x, T gradient, const AdamWRates<T>& r) {
  const T g = gradient * r.grad_scale;
  x.m = x.m + r.lerp1 * (g - x.m);
  x.v = r.beta2 * x.v + r.lerp2 * g * g;
  T second = x.v;
  if (kAmsgrad) second = x.vmax = x.vmax < x.v || x.v != x.v ? x.v : x.vmax;
  x.p = x.p * r.keep - r.step_size * x.m / (std::sqrt(second) / r.root_bc2 + r.eps);
  if (kEma) x.ema = r.ema_keep * x.ema + r.ema_lerp * x.p;
}

}  // namespace eosin::kernels
