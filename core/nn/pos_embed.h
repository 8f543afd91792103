#pragma once
// Learned position embeddings at another grid. Three ways exist and public weights need the right one; the wrong one costs
// accuracy silently, so it is a property of the model (VitConfig), set where weights are imported.
#include "core/tensor/tensor.h"

#include <cstdint>

namespace eosin::nn {

/// Rows and columns of patches.
struct PatchGrid {
  int64_t rows = 0, cols = 0;
  int64_t count() const { return rows * cols; }
  bool operator==(const PatchGrid&) const = default;
};

/// How positions are resampled (bicubic, corners not aligned):
///   {true, 0}     timm; DINOv2 with registers: by size, antialias
///   {false, 0.1}  DINO; DINOv2 without registers: explicit scale factors (new + offset) / old, which enter the sampling grid
///   {false, 0}    Hugging Face's Dinov2: by size
struct PosResample {
  bool antialias = true;
  double offset = 0;
};

/// Resamples the patch rows of a position table; the first `prefix_tokens` rows are kept, an unchanged grid is returned as it is.
///
/// Shapes   pos_embed_1PD with P = prefix_tokens + old_grid.count(); returns [1, prefix_tokens + new_grid.count(), D].
/// Errors   Shape if P does not fit the old grid (names both).
/// Differs  computed in float32 for half types, else in the table's own type (timm always takes float32).
/// Checked  golden nn.pos_embed_resample; tests/nn/test_embeddings.cpp.
Tensor resample_pos_embed(const Tensor& pos_embed_1PD, PatchGrid old_grid, PatchGrid new_grid, int64_t prefix_tokens, PosResample how);

}  // namespace eosin::nn
