#pragma once
// Augmented views made where the tiles lie, on a CPU or a GPU, from parameters that were drawn before.
#include "core/kernels/view_element.h"
#include "core/tensor/tensor.h"

#include <c10/core/ScalarType.h>

namespace eosin::kernels {

/// Renders all crops of one size in one launch, on the current stream of a CUDA device.
///
/// Shapes   tiles_BHWC u8; records u8 [n * B, 64], each a ViewRecord whose box lies inside the tile, crop c of tile c mod B; returns
///          [n * B, 3, size, size], float32 or bfloat16.
/// Errors   Shape if sizes, types, layout or devices do not fit.
/// Differs  from data::render_fast by less than one grey level (1/255 before the normalisation) where no jump lies between: solarizing
///          inverts a pixel that rounding moves over the threshold.
/// Checked  tests/data/test_device_views.cpp: every preset against render_fast; on CUDA against the CPU where a device is.
Tensor render_views(const Tensor& tiles_BHWC, const Tensor& records, const ViewRecipe& recipe, c10::ScalarType dtype = c10::kFloat);

/// Inside of views*.cpp: the CPU's loop over crops, and the type of the CUDA part's eosin_cuda_views (null, or what went wrong).
void render_views_cpu(const ViewTask& task);
using CudaViews = const char* (*)(const ViewTask* task, int device);

}  // namespace eosin::kernels
