#pragma once
// Attention inside windows of a grid of tokens, shifted or not (Liu et al. 2021, arXiv:2103.14030, section 3.2).
#include "core/tensor/tensor.h"

#include <torch/nn/modules/linear.h>

#include <array>

namespace eosin::nn {

/// Rows and columns.
using Extent = std::array<int64_t, 2>;

/// Cuts a grid into windows, row-major; its sides must be multiples of the window's.
///
/// Shapes   grid_BHWC -> [B, windows, rows * cols, C].
Tensor to_windows(const Tensor& grid_BHWC, Extent window);
/// Undoes to_windows.
Tensor from_windows(const Tensor& windows_BWNC, Extent window, int64_t height, int64_t width);

/// What may not see one another in the windows of a grid that was rolled by `shift`: -100 between tokens that were not neighbours, else 0.
///
/// Shapes   [windows, N, N].
Tensor shift_mask(int64_t height, int64_t width, Extent window, Extent shift);

/// Multi-head attention within windows, with a learned bias for each head and relative position. Parameters `qkv.*`, `proj.*`,
/// `relative_position_bias_table` [(2 rows - 1)(2 cols - 1), heads].
///
/// The grid is rolled up and left by `shift`, filled with zeros to whole windows (which are seen: timm's way), and put back.
/// Shapes   grid_BHWC -> the same.
/// Checked  tests/nn/test_backbones.cpp: a window as large as the grid is plain attention; tests/python/backbone_parity.py.
class WindowAttentionImpl : public torch::nn::Module {
 public:
  WindowAttentionImpl(int64_t dim, int64_t num_heads, Extent window, Extent shift);
  Tensor forward(const Tensor& grid_BHWC);

 private:
  Tensor bias() const;
  Tensor attend(const Tensor& windows_BWNC, const Tensor& mask_WNN);

  int64_t num_heads_;
  Extent window_, shift_;
  Tensor relative_position_bias_table;
  torch::nn::Linear qkv{nullptr}, proj{nullptr};
};
TORCH_MODULE(WindowAttention);

}  // namespace eosin::nn
