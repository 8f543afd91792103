#include "ssl/visible_patches.h"

#include "core/base/error.h"
#include "core/base/rng.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

Tensor patch_noise(const data::ViewBatch& batch, int64_t views, int64_t patches, uint64_t seed) {
  const int64_t tiles = batch.views_BCHW.front().size(0);
  Tensor noise_BN = at::empty({views * tiles, patches}, at::kDouble);
  double* out = noise_BN.mutable_data_ptr<double>();
  for (int64_t v = 0; v < views; ++v)
    for (int64_t i = 0; i < tiles; ++i) {
      RandomStream stream(seed, static_cast<uint64_t>(batch.first_position + i), static_cast<uint32_t>(v), RandomOp::kMask);
      for (int64_t n = 0; n < patches; ++n) *out++ = stream.uniform_double();
    }
  return noise_BN;
}

VisiblePatches VisiblePatches::to(c10::Device device) const {
  const auto there = [device](const Tensor& t) { return t.to(device, /*non_blocking=*/true); };
  return {there(visible_BK), there(restore_BN), there(mask_BN)};
}

int64_t visible_count(int64_t patches, double mask_ratio) { return static_cast<int64_t>(static_cast<double>(patches) * (1 - mask_ratio)); }

VisiblePatches choose_visible(const Tensor& noise_BN, double mask_ratio) {
  const int64_t patches = noise_BN.size(1), visible = visible_count(patches, mask_ratio);
  EOSIN_CHECK(visible > 0 && visible < patches, Config, "[mae] mask_ratio {} leaves {} of {} patches (need between 1 and {})", mask_ratio, visible,
              patches, patches - 1);
  const Tensor order_BN = noise_BN.argsort(/*stable=*/true, 1, false), restore_BN = order_BN.argsort(/*stable=*/true, 1, false);
  return {order_BN.narrow(1, 0, visible), restore_BN, restore_BN.ge(visible).to(at::kFloat)};
}

}  // namespace eosin::ssl
