#include "core/nn/window_attention.h"

#include <ATen/ATen.h>
#include <torch/types.h>

namespace eosin::nn {
namespace {

/// For each pair of tokens of a window the row of the bias table: their difference in rows and columns.
Tensor relative_index(Extent window) {
  const Tensor rows = at::arange(window[0], at::kLong).repeat_interleave(window[1]), cols = at::arange(window[1], at::kLong).repeat({window[0]});
  const Tensor down = rows.unsqueeze(1) - rows.unsqueeze(0) + (window[0] - 1), right = cols.unsqueeze(1) - cols.unsqueeze(0) + (window[1] - 1);
  return (down * (2 * window[1] - 1) + right).flatten();
}

/// Which of the parts that a roll brings together each line belongs to.
Tensor parts_of(int64_t length, int64_t window, int64_t shift) {
  Tensor part = at::zeros({length}, at::kLong);
  if (shift == 0) return part;
  part.slice(0, length - window, length - shift).fill_(1);
  part.slice(0, length - shift).fill_(2);
  return part;
}

}  // namespace

Tensor to_windows(const Tensor& grid_BHWC, Extent window) {
  const int64_t down = grid_BHWC.size(1) / window[0], across = grid_BHWC.size(2) / window[1];
  return grid_BHWC.reshape({grid_BHWC.size(0), down, window[0], across, window[1], grid_BHWC.size(3)})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({grid_BHWC.size(0), down * across, window[0] * window[1], grid_BHWC.size(3)});
}

Tensor from_windows(const Tensor& windows_BWNC, Extent window, int64_t height, int64_t width) {
  const int64_t batch = windows_BWNC.size(0), dim = windows_BWNC.size(3);
  return windows_BWNC.reshape({batch, height / window[0], width / window[1], window[0], window[1], dim})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({batch, height, width, dim});
}

Tensor shift_mask(int64_t height, int64_t width, Extent window, Extent shift) {
  const Tensor part = 3 * parts_of(height, window[0], shift[0]).unsqueeze(1) + parts_of(width, window[1], shift[1]);
  const Tensor part_WN = to_windows(part.view({1, height, width, 1}), window).squeeze(3).squeeze(0);
  return (part_WN.unsqueeze(1) != part_WN.unsqueeze(2)).to(at::kFloat) * -100.0;
}

WindowAttentionImpl::WindowAttentionImpl(int64_t dim, int64_t num_heads, Extent window, Extent shift)
    : num_heads_(num_heads), window_(window), shift_(shift) {
  relative_position_bias_table =
      register_parameter("relative_position_bias_table", torch::zeros({(2 * window[0] - 1) * (2 * window[1] - 1), num_heads}));
  qkv = register_module("qkv", torch::nn::Linear(dim, 3 * dim));
  proj = register_module("proj", torch::nn::Linear(dim, dim));
}

Tensor WindowAttentionImpl::bias() const {
  const int64_t length = window_[0] * window_[1];
  const Tensor rows = relative_position_bias_table.index_select(0, relative_index(window_).to(relative_position_bias_table.device()));
  return rows.view({length, length, num_heads_}).permute({2, 0, 1});
}

/// Windows and heads are one axis, so that one mask serves all images.
Tensor WindowAttentionImpl::attend(const Tensor& windows_BWNC, const Tensor& mask_WNN) {
  const int64_t batch = windows_BWNC.size(0), windows = windows_BWNC.size(1), length = windows_BWNC.size(2), dim = windows_BWNC.size(3);
  const Tensor heads = qkv(windows_BWNC).view({batch, windows, length, 3, num_heads_, dim / num_heads_}).permute({3, 0, 1, 4, 2, 5});
  const std::vector<Tensor> part = heads.reshape({3, batch, windows * num_heads_, length, dim / num_heads_}).unbind(0);
  Tensor seen = bias().unsqueeze(0);
  seen = mask_WNN.defined() ? seen + mask_WNN.to(seen.options()).unsqueeze(1) : seen.expand({windows, -1, -1, -1});
  const std::optional<Tensor> shown = seen.reshape({1, windows * num_heads_, length, length}).to(part[0].scalar_type());
  const Tensor out = at::scaled_dot_product_attention(part[0], part[1], part[2], shown);
  return proj(out.view({batch, windows, num_heads_, length, dim / num_heads_}).transpose(2, 3).reshape({batch, windows, length, dim}));
}

Tensor WindowAttentionImpl::forward(const Tensor& grid_BHWC) {
  const int64_t height = grid_BHWC.size(1), width = grid_BHWC.size(2);
  const bool shifted = shift_[0] > 0 || shift_[1] > 0;
  const int64_t below = (window_[0] - height % window_[0]) % window_[0], beside = (window_[1] - width % window_[1]) % window_[1];
  Tensor grid = shifted ? grid_BHWC.roll({-shift_[0], -shift_[1]}, {1, 2}) : grid_BHWC;
  if (below > 0 || beside > 0) grid = at::constant_pad_nd(grid, {0, 0, 0, beside, 0, below});
  const Tensor mask = shifted ? shift_mask(height + below, width + beside, window_, shift_) : Tensor();
  const Tensor out = from_windows(attend(to_windows(grid, window_), mask), window_, height + below, width + beside);
  const Tensor cut = out.slice(1, 0, height).slice(2, 0, width);
  return shifted ? cut.roll({shift_[0], shift_[1]}, {1, 2}) : cut;
}

}  // namespace eosin::nn
