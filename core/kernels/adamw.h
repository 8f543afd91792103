#pragma once
// The fused AdamW(+EMA) update of many tensors in one pass over memory.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <span>

namespace eosin::kernels {

/// One parameter with its gradient, its state and its own rates. All defined tensors are contiguous, of one size, device and
/// element type (float32 or float64).
struct AdamWTensor {
  Tensor p, g, m, v;  // parameter, gradient, first and second moment; without g, m and v the average alone moves
  Tensor vmax;        // undefined without amsgrad
  Tensor ema;         // undefined: no average is kept
  int64_t step = 1;   // t of this update, counted from 1
  double lr = 1e-3;
  double weight_decay = 0.0;
  double grad_scale = 1.0;  // multiplies g before all else: 1 / loss scale, clipping coefficient
};

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double ema_momentum = 0.0;  // ema <- momentum * ema + (1 - momentum) * p, with the new p
};

/// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with torch's order of operations:
///   p <- p (1 - lr wd);  m <- m + (1 - b1)(g - m);  v <- b2 v + (1 - b2) g^2;  vmax <- max(vmax, v) where kept;
///   p <- p - (lr / (1 - b1^t)) m / (sqrt(v or vmax) / sqrt(1 - b2^t) + eps).
/// The CPU version (adamw_cpu.cpp) is the specification; its bits do not depend on the number of threads, and the CUDA version
/// (adamw_cuda.cu) shares its arithmetic. An average that moves alone gets the same bits as one that moves with its parameter.
///
/// Errors   Shape naming the tensor's index and what differs (size, device, element type, layout); nothing is changed then.
/// Checked  golden optim.step adamw; tests/kernels/test_adamw.cpp: against torch, float64, threads, EMA, odd sizes.
void adamw_step(std::span<const AdamWTensor> tensors, const AdamWOptions& options);

}  // namespace eosin::kernels
