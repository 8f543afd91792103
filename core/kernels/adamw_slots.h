#pragma once
// Inside of adamw*.cpp only: what the devices' versions of the update are called with.
#include "core/kernels/adamw_element.h"

#include <vector>

namespace eosin::kernels {

void adamw_step_cpu(const std::vector<AdamWSlot<float>>& slots);
void adamw_step_cpu(const std::vector<AdamWSlot<double>>& slots);

/// The functions eosin_cuda_adamw_f32 and _f64 of the CUDA part: null, or what went wrong.
template <class T>
using CudaAdamW = const char* (*)(const AdamWSlot<T>* slots, int n, int device);

}  // namespace eosin::kernels
