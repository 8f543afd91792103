// Views on a GPU: view_element.h with a block of threads a crop, one launch for all crops of a size. Compiled with -fmad=false.
#include "core/kernels/view_element.h"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace eosin::kernels {
namespace {

constexpr int kThreads = 512;

/// Every thread of the block takes part in every call.
struct Block {
  double* partial;  // shared memory, one a thread

  template <class F>
  __device__ void each(int n, F f) const {
    for (int i = threadIdx.x; i < n; i += kThreads) f(i);
    __syncthreads();
  }
  /// In a fixed order: the same bits every time.
  template <class F>
  __device__ double sum(int n, F f) const {
    double own = 0;
    for (int i = threadIdx.x; i < n; i += kThreads) own += f(i);
    partial[threadIdx.x] = own;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
      if (static_cast<int>(threadIdx.x) < half) partial[threadIdx.x] += partial[threadIdx.x + half];
      __syncthreads();
    }
    return partial[0];
  }
};

template <class Out>
__global__ void __launch_bounds__(kThreads) views_kernel(const __grid_constant__ ViewTask task) {
  __shared__ double partial[kThreads];
  __shared__ ViewRecord record;
  if (threadIdx.x == 0) record = task.records[blockIdx.x];
  __syncthreads();
  const int64_t elements = int64_t{3} * task.recipe.size_px * task.recipe.size_px;
  render_crop(Block{partial}, task.recipe, record, crop_of(task, blockIdx.x), static_cast<Out*>(task.out) + blockIdx.x * elements);
}

}  // namespace
}  // namespace eosin::kernels

extern "C" const char* eosin_cuda_views(const eosin::kernels::ViewTask* task, int device) {
  using namespace eosin::kernels;
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(device));
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
  if (task->n_crops == 0) return nullptr;
  if (task->bfloat16)
    views_kernel<uint16_t><<<task->n_crops, kThreads, 0, stream>>>(*task);
  else
    views_kernel<float><<<task->n_crops, kThreads, 0, stream>>>(*task);
  const cudaError_t code = cudaGetLastError();
  return code == cudaSuccess ? nullptr : cudaGetErrorString(code);
}
