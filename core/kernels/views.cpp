#include "core/kernels/views.h"

#include "core/base/error.h"
#include "core/tensor/device.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace eosin::kernels {
namespace {

void check(const Tensor& tiles, const Tensor& records, c10::ScalarType dtype) {
  EOSIN_CHECK(tiles.dim() == 4 && tiles.size(3) == 3 && tiles.numel() > 0 && tiles.scalar_type() == c10::kByte && tiles.is_contiguous(), Shape,
              "[views] tiles must be contiguous bytes [B, H, W, 3] (got {} elements of {} in {} dimensions)", tiles.numel(),
              c10::toString(tiles.scalar_type()), tiles.dim());
  constexpr auto kBytes = static_cast<int64_t>(sizeof(ViewRecord));
  EOSIN_CHECK(records.dim() == 2 && records.size(1) == kBytes && records.scalar_type() == c10::kByte && records.is_contiguous(), Shape,
              "[views] records must be contiguous bytes [crops, {}] (got {} elements of {} in {} dimensions)", kBytes, records.numel(),
              c10::toString(records.scalar_type()), records.dim());
  EOSIN_CHECK(records.size(0) % tiles.size(0) == 0, Shape, "[views] every tile has as many crops (got {} records for {} tiles)", records.size(0),
              tiles.size(0));
  EOSIN_CHECK(records.device() == tiles.device() && (tiles.is_cpu() || tiles.is_cuda()), Shape,
              "[views] tiles and records must lie on one cpu or cuda device (got {} and {})", tiles.device().str(), records.device().str());
  EOSIN_CHECK(dtype == c10::kFloat || dtype == c10::kBFloat16, Shape, "[views] views are float32 or bfloat16 (got {})", c10::toString(dtype));
}

double support_of(Filter filter) {
  return filter == Filter::kBilinear ? Bilinear::kSupport : filter == Filter::kBicubic ? Bicubic::kSupport : Lanczos::kSupport;
}

/// Of an axis of at most n pixels.
int64_t most_taps(Filter filter, int64_t n, int64_t m) { return static_cast<int64_t>(2 * support_of(filter) * Scale(n, m).stretch) + 2; }

void render_views_cuda(const ViewTask& task, int device) {
  static const auto function = reinterpret_cast<CudaViews>(device::cuda_function("eosin_cuda_views"));
  const char* problem = function(&task, device);
  EOSIN_CHECK(problem == nullptr, Internal, "[views] the CUDA kernel failed on device {}: {}", device, problem);
}

}  // namespace

Tensor render_views(const Tensor& tiles_BHWC, const Tensor& records, const ViewRecipe& recipe, c10::ScalarType dtype) {
  check(tiles_BHWC, records, dtype);
  EOSIN_CHECK(recipe.size_px > 0, Shape, "[views] the size must be positive (got {})", recipe.size_px);
  const int64_t crops = records.size(0), size = recipe.size_px, height = tiles_BHWC.size(1), width = tiles_BHWC.size(2);
  const int64_t taps = most_taps(recipe.filter, std::max(height, width), size);
  const auto on = [&](c10::ScalarType type) { return at::TensorOptions(type).device(tiles_BHWC.device()); };
  Tensor out = at::empty({crops, 3, size, size}, on(dtype));
  Tensor planes = dtype == c10::kFloat ? out : at::empty(out.sizes(), on(c10::kFloat));
  Tensor spare = at::empty({crops, size, std::max(size, width)}, on(c10::kFloat));
  Tensor weights = at::empty({crops, 2, size, taps}, on(c10::kFloat));
  Tensor windows = at::empty({crops, 2, size, 2}, on(c10::kInt));

  ViewTask task{};
  task.recipe = recipe;
  task.tiles = tiles_BHWC.const_data_ptr<uint8_t>();
  task.n_tiles = static_cast<int32_t>(tiles_BHWC.size(0));
  task.tile_height = static_cast<int32_t>(height), task.tile_width = static_cast<int32_t>(width);
  task.records = static_cast<const ViewRecord*>(records.const_data_ptr());
  task.n_crops = static_cast<int32_t>(crops), task.max_taps = static_cast<int32_t>(taps);
  task.planes = planes.mutable_data_ptr<float>();
  task.spare = spare.mutable_data_ptr<float>();
  task.weights = weights.mutable_data_ptr<float>();
  task.taps = static_cast<Taps*>(windows.mutable_data_ptr());
  task.out = out.mutable_data_ptr();
  task.bfloat16 = dtype == c10::kBFloat16;
  tiles_BHWC.is_cpu() ? render_views_cpu(task) : render_views_cuda(task, tiles_BHWC.get_device());
  return out;
}

}  // namespace eosin::kernels
