#include "ssl/block_mask.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace eosin::ssl {
namespace {

constexpr int kAttempts = 10;

double uniform(double low, double high, const Draw& draw) { return low + (high - low) * draw(); }

/// Both ends included.
int64_t integer(int64_t low, int64_t high, const Draw& draw) {
  return low + std::min(static_cast<int64_t>(std::floor(draw() * static_cast<double>(high - low + 1))), high - low);
}

/// One rectangle: how many patches it masks that were not, 0 if it does not fit or adds none or more than `most`.
int64_t add_block(const BlockMaskShape& shape, int64_t most, const Tensor& mask_HW, const Draw& draw) {
  const double area = uniform(static_cast<double>(shape.min_num_patches), static_cast<double>(most), draw);
  const double aspect = std::exp(uniform(std::log(shape.min_aspect), std::log(1 / shape.min_aspect), draw));
  const auto height = static_cast<int64_t>(std::nearbyint(std::sqrt(area * aspect)));
  const auto width = static_cast<int64_t>(std::nearbyint(std::sqrt(area / aspect)));
  if (width >= shape.grid.cols || height >= shape.grid.rows) return 0;
  const int64_t top = integer(0, shape.grid.rows - height, draw), left = integer(0, shape.grid.cols - width, draw);
  bool* const corner = mask_HW.data_ptr<bool>() + top * shape.grid.cols + left;
  int64_t fresh = 0;
  for (int64_t row = 0; row < height; ++row) fresh += std::count(corner + row * shape.grid.cols, corner + row * shape.grid.cols + width, false);
  if (fresh > most) return 0;
  for (int64_t row = 0; row < height; ++row) std::fill_n(corner + row * shape.grid.cols, width, true);
  return fresh;
}

}  // namespace

BlockMaskShape dinov2_blocks(nn::PatchGrid grid) { return {grid, 4, grid.rows / 2 * grid.cols}; }

BlockMaskShape ibot_blocks(nn::PatchGrid grid) {
  const int64_t third = std::min(grid.rows, grid.cols) / 3;
  return {grid, third * third, grid.count()};
}

Tensor block_mask(const BlockMaskShape& shape, int64_t target, const Draw& draw) {
  Tensor mask_HW = at::zeros({shape.grid.rows, shape.grid.cols}, at::kBool);
  for (int64_t count = 0; count < target;) {
    int64_t added = 0;
    for (int attempt = 0; attempt < kAttempts && added == 0; ++attempt)
      added = add_block(shape, std::min(target - count, shape.max_num_patches), mask_HW, draw);
    if (added == 0) break;
    count += added;
  }
  return mask_HW;
}

void complete_mask(Tensor& mask_HW, int64_t target, const Tensor& keys_N) {
  EOSIN_CHECK(keys_N.numel() == mask_HW.numel(), Shape, "[block_mask] {} keys for {} patches", keys_N.numel(), mask_HW.numel());
  const int64_t missing = target - mask_HW.sum().item<int64_t>();
  if (missing <= 0) return;
  const Tensor flat = mask_HW.view({-1});
  const Tensor order = keys_N.masked_fill(flat, std::numeric_limits<double>::infinity()).argsort(/*stable=*/true, 0, false);
  flat.index_fill_(0, order.narrow(0, 0, missing), true);
}

}  // namespace eosin::ssl
