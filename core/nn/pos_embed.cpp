#include "core/nn/pos_embed.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::nn {

Tensor resample_pos_embed(const Tensor& pos_embed_1PD, PatchGrid old_grid, PatchGrid new_grid, int64_t prefix_tokens, PosResample how) {
  EOSIN_CHECK(pos_embed_1PD.dim() == 3 && pos_embed_1PD.size(1) == prefix_tokens + old_grid.count(), Shape,
              "[pos_embed] {} rows do not fit a grid of {}x{} with {} prefix tokens (need {}); give the size that the weights were made for",
              pos_embed_1PD.dim() == 3 ? pos_embed_1PD.size(1) : 0, old_grid.rows, old_grid.cols, prefix_tokens, prefix_tokens + old_grid.count());
  if (old_grid == new_grid) return pos_embed_1PD;
  const auto type = pos_embed_1PD.scalar_type();
  const bool half = type == at::kHalf || type == at::kBFloat16;
  const int64_t dim = pos_embed_1PD.size(2);
  Tensor image = pos_embed_1PD.slice(1, prefix_tokens).reshape({1, old_grid.rows, old_grid.cols, dim}).permute({0, 3, 1, 2});
  if (half) image = image.to(at::kFloat);
  const std::array<int64_t, 2> size{new_grid.rows, new_grid.cols};
  std::optional<double> scale_rows, scale_cols;
  if (how.offset > 0) {
    scale_rows = (static_cast<double>(new_grid.rows) + how.offset) / static_cast<double>(old_grid.rows);
    scale_cols = (static_cast<double>(new_grid.cols) + how.offset) / static_cast<double>(old_grid.cols);
  }
  image = how.antialias ? at::_upsample_bicubic2d_aa(image, size, false, scale_rows, scale_cols)
                        : at::upsample_bicubic2d(image, size, false, scale_rows, scale_cols);
  const Tensor patches = image.permute({0, 2, 3, 1}).reshape({1, new_grid.count(), dim}).to(type);
  return prefix_tokens > 0 ? at::cat({pos_embed_1PD.slice(1, 0, prefix_tokens), patches}, 1) : patches;
}

}  // namespace eosin::nn
