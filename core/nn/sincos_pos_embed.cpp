#include "core/nn/sincos_pos_embed.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::nn {

Tensor sincos_pos_embed(PatchGrid grid, int64_t dim, SincosOrder order, int64_t prefix_tokens) {
  EOSIN_CHECK(dim > 0 && dim % 4 == 0, Config, "[pos_embed] sine-cosine positions of width {} (need a multiple of 4); nearest: {} or {}", dim,
              std::max<int64_t>(dim / 4, 1) * 4, (dim / 4 + 1) * 4);
  const Tensor frequencies = at::pow(10000.0, -at::arange(dim / 4, at::kDouble) / static_cast<double>(dim / 4));
  const auto waves = [&](const Tensor& place) {
    const Tensor angles = at::outer(place.flatten(), frequencies);
    return at::cat({angles.sin(), angles.cos()}, 1);
  };
  const Tensor rows = waves(at::arange(grid.rows, at::kDouble).unsqueeze(1).expand({grid.rows, grid.cols}));
  const Tensor cols = waves(at::arange(grid.cols, at::kDouble).unsqueeze(0).expand({grid.rows, grid.cols}));
  const Tensor patches = order == SincosOrder::XFirst ? at::cat({cols, rows}, 1) : at::cat({rows, cols}, 1);
  return at::cat({at::zeros({prefix_tokens, dim}, at::kDouble), patches}, 0).unsqueeze(0).to(at::kFloat);
}

}  // namespace eosin::nn
