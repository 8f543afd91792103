#include "data/multicrop.h"

#include "core/base/error.h"
#include "data/stain_sample.h"

namespace eosin::data {
namespace {

/// Enough for two directions and a hundredth of the pixels on either side of them.
constexpr int64_t kStainSample = 16384;

/// Of the tile, once for all its views.
Fitted<StainVectors> stains_of(ImageView tile) {
  thread_local Image sample;
  thin(tile, kStainSample, sample);
  return macenko_vectors(sample, {});
}

}  // namespace

ViewMaker::ViewMaker(const MultiCropConfig& config)
    : rules_(view_rules(config)), n_global_(config.n_global), n_undistorted_(config.n_undistorted()), exact_(config.arithmetic == "exact") {}

ViewParams ViewMaker::draw(int64_t height, int64_t width, uint64_t seed, uint64_t position, int64_t view) const {
  const int64_t crops = n_views() - n_undistorted_, drawn_as = view < crops ? view : view - crops;
  return draw_view(rule(view), height, width, seed, position, static_cast<uint32_t>(drawn_as));
}

std::optional<StainFault> ViewMaker::make(ImageView tile, uint64_t seed, uint64_t position, std::span<float* const> out) const {
  EOSIN_ASSERT(out.size() == rules_.size());
  thread_local std::vector<float> memory;
  memory.resize(static_cast<size_t>(tile.height * tile.width * 3));
  const Planes planes{memory.data(), tile.height, tile.width};
  if (!exact_) to_planes(tile, planes);
  std::optional<Fitted<StainVectors>> stains;
  for (int64_t v = 0; v < n_views(); ++v) {
    const ViewParams params = draw(tile.height, tile.width, seed, position, v);
    const Planes to{out[static_cast<size_t>(v)], size_px(v), size_px(v)};
    if (params.macenko && !stains) stains = stains_of(tile);
    const StainVectors* found = stains && *stains ? &**stains : nullptr;
    exact_ ? render_exact(tile, rule(v), params, to, found) : render_fast(planes, rule(v), params, to, found);
  }
  if (stains && !*stains) return stains->fault();
  return {};
}

}  // namespace eosin::data
