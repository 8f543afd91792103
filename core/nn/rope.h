#pragma once
// Rotary positions on two axes (RoPE: Su et al. 2021, arXiv:2104.09864; axial with scaled coordinates: DINOv3, Simeoni et al. 2025,
// arXiv:2508.10104): queries and keys of patch tokens are turned by angles that their row and column give.
#include "core/base/config.h"
#include "core/nn/drop_path.h"
#include "core/nn/pos_embed.h"

#include <torch/nn/module.h>

#include <array>
#include <optional>
#include <string>

namespace eosin::nn {

/// The last three change the coordinates of a training pass (VitPass::drop_path set), drawn once a pass and group.
struct RopeConfig {
  bool enabled = false;
  double base = 100;
  std::optional<double> min_period, max_period;
  std::string normalize = "separate";
  std::optional<double> shift, jitter, rescale;

  void visit(config::Visitor& v) {
    v("enabled", enabled, "turn queries and keys by their patch's row and column (DINOv3)");
    v("base", base, "greatest period, of coordinates from -1 to 1", config::Range{1, 1e9});
    v("min_period", min_period, "smallest period; with max_period in place of base", config::Range{0, 1e9, config::kOpenLow});
    v("max_period", max_period, "greatest period; with min_period in place of base", config::Range{0, 1e9, config::kOpenLow});
    v("normalize", normalize, "side that coordinates are divided by", config::OneOf{{"separate", "max", "min"}});
    v("shift", shift, "in training: added to the coordinates of an axis, up to this", config::Range{0, 100});
    v("jitter", jitter, "in training: factor of the coordinates of an axis, up to this or its inverse", config::Range{1, 100});
    v("rescale", rescale, "in training: factor of all coordinates, up to this or its inverse (DINOv3 7B: 2)", config::Range{1, 100});
  }
  void validate(config::Problems& p) const;
};

/// How the coordinates of one pass are changed: (c + shift) * jitter * rescale, rows then columns.
struct RopeChange {
  std::array<double, 2> shift{0, 0}, jitter{1, 1};
  double rescale = 1;
};
/// Uniform shift, log-uniform factors, by (key, group).
RopeChange draw_rope_change(const RopeConfig& config, DropPathKey key, uint32_t group);

/// Periods of a head: base^(2k / (d/2)), or min (max/min)^(k / (d/4 - 1)) for k < d/4.
///
/// Shapes   [head_dim / 4] float32.
Tensor rope_periods(const RopeConfig& config, int64_t head_dim);
/// Centres of the patches, from -1 to 1 over the side that `normalize` names, row-major.
///
/// Shapes   [N, 2] float64: row, column.
Tensor rope_coordinates(PatchGrid grid, const std::string& normalize, const RopeChange& change = {});

/// Sines and cosines of the angles 2 pi c / period, rows then columns, repeated for both halves of a head.
struct RopeTable {
  Tensor sin, cos;
};
/// Shapes   coordinates_N2, or [B, N, 2] for sequences with patches of their own; returns [N, d], [B, 1, N, d] of `periods`' type.
RopeTable rope_table(const Tensor& coordinates_N2, const Tensor& periods);
/// Turns the last N tokens, the table's; those before are class and register tokens. Element i of a head pairs with i + d/2.
///
/// Shapes   heads_BHTd -> the same, in its own type; computed in the table's.
/// Checked  golden nn.rope_axial, nn.vit_dinov3; tests/nn/test_rope.cpp.
Tensor rotate(const Tensor& heads_BHTd, const RopeTable& table);

/// The periods of a model as DINOv3's files hold them: buffer `periods`.
class RopeEmbedImpl : public torch::nn::Module {
 public:
  RopeEmbedImpl(const RopeConfig& config, int64_t head_dim);
  /// The table of these coordinates (rope_coordinates, or means of them).
  RopeTable forward(const Tensor& coordinates_N2) { return rope_table(coordinates_N2, periods); }

 private:
  Tensor periods;
};
TORCH_MODULE(RopeEmbed);

}  // namespace eosin::nn
