// The fused AdamW update on a GPU: same arithmetic as adamw_cpu.cpp (adamw_element.h), compiled with -fmad=false. One launch for
// up to 24 tensors; blocks find their tensor in a table that travels with the launch, so nothing is copied to the device first.
#include "core/kernels/adamw_element.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

namespace eosin::kernels {
namespace {

constexpr int kSlots = 24;  // 24 x 136 bytes (float64) stay below the 4 KiB of a launch's arguments
constexpr int kThreads = 256, kPerThread = 8;
constexpr int64_t kPerBlock = kThreads * kPerThread;

template <class T>
struct Table {
  AdamWSlot<T> slots[kSlots];
  int first_block[kSlots + 1];
  int n;
};
static_assert(sizeof(Table<double>) <= 4096, "arguments of a launch");

template <bool kAmsgrad, bool kEma, class T>
__device__ void update(const AdamWSlot<T>& s, int64_t begin) {
  const int64_t end = begin + kPerBlock < s.size ? begin + kPerBlock : s.size;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    AdamWValues<T> x{s.p[i], s.m[i], s.v[i], kAmsgrad ? s.vmax[i] : T(0), kEma ? s.ema[i] : T(0)};
    adamw_element<kAmsgrad, kEma>(x, s.g[i], s.rates);
    s.p[i] = x.p;
    s.m[i] = x.m;
    s.v[i] = x.v;
    if (kAmsgrad) s.vmax[i] = x.vmax;
    if (kEma) s.ema[i] = x.ema;
  }
}

template <class T>
__device__ void average(const AdamWSlot<T>& s, int64_t begin) {
  const int64_t end = begin + kPerBlock < s.size ? begin + kPerBlock : s.size;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) s.ema[i] = ema_element(s.ema[i], s.p[i], s.rates);
}

template <class T>
__global__ void __launch_bounds__(kThreads) adamw_kernel(const __grid_constant__ Table<T> table) {
  int k = 0;
  while (static_cast<int>(blockIdx.x) >= table.first_block[k + 1]) ++k;
  const AdamWSlot<T>& s = table.slots[k];
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) - table.first_block[k]) * kPerBlock;
  if (s.g == nullptr)
    average(s, begin);
  else if (s.vmax != nullptr)
    s.ema != nullptr ? update<true, true>(s, begin) : update<true, false>(s, begin);
  else
    s.ema != nullptr ? update<false, true>(s, begin) : update<false, false>(s, begin);
}

template <class T>
const char* step(const AdamWSlot<T>* slots, int n, int device) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  for (int done = 0; done < n;) {
    Table<T> table{};
    table.n = std::min(kSlots, n - done);
    for (int k = 0; k < table.n; ++k) {
      table.slots[k] = slots[done + k];
      table.first_block[k + 1] = table.first_block[k] + static_cast<int>((slots[done + k].size + kPerBlock - 1) / kPerBlock);
    }
    if (table.first_block[table.n] > 0) adamw_kernel<T><<<table.first_block[table.n], kThreads, 0, stream>>>(table);
    if (const cudaError_t code = cudaGetLastError(); code != cudaSuccess) return cudaGetErrorString(code);
    done += table.n;
  }
  return nullptr;
}

}  // namespace
}  // namespace eosin::kernels

extern "C" const char* eosin_cuda_adamw_f32(const eosin::kernels::AdamWSlot<float>* slots, int n, int device) {
  return eosin::kernels::step(slots, n, device);
}
extern "C" const char* eosin_cuda_adamw_f64(const eosin::kernels::AdamWSlot<double>* slots, int n, int device) {
  return eosin::kernels::step(slots, n, device);
}
