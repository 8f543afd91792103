#pragma once
// From one decoded tile to all its views, each a function of (seed, position, view).
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/view_presets.h"

namespace eosin::data {

/// Makes the views of a recipe (multi-crop: Caron et al. 2020, arXiv:2006.09882). Thread-safe; scratch memory belongs to the threads.
///
/// Shapes   view v is float [3, size_px(v), size_px(v)], normalised, written to where the caller says.
/// Checked  tests/data/test_views.cpp: exact against the golden pipeline, fast within 0.4 / 3 (crop) and 2.5 / 8 (view) levels.
class ViewMaker {
 public:
  explicit ViewMaker(const MultiCropConfig& config);

  int64_t n_views() const { return static_cast<int64_t>(rules_.size()); }
  int64_t n_global() const { return n_global_; }
  /// Undistorted copies of the global crops: the last views.
  int64_t n_undistorted() const { return n_undistorted_; }
  int64_t size_px(int64_t view) const { return rules_[static_cast<size_t>(view)].size_px; }
  const ViewRule& rule(int64_t view) const { return rules_[static_cast<size_t>(view)]; }

  /// What view `view` of the tile at `position` will be.
  ViewParams draw(int64_t height, int64_t width, uint64_t seed, uint64_t position, int64_t view) const;
  /// Renders all views of a tile; out[v] takes view v. If a view was to have Macenko augmentation and the tile's stains cannot be told, it keeps
  /// its colours and the reason is returned.
  std::optional<StainFault> make(ImageView tile, uint64_t seed, uint64_t position, std::span<float* const> out) const;

 private:
  std::vector<ViewRule> rules_;
  int64_t n_global_, n_undistorted_;
  bool exact_;
};

}  // namespace eosin::data
