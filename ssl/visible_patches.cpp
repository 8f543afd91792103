#include "ssl/visible_patches.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

int64_t visible_count(int64_t patches, double mask_ratio) { return static_cast<int64_t>(static_cast<double>(patches) * (1 - mask_ratio)); }

VisiblePatches choose_visible(const Tensor& noise_BN, double mask_ratio) {
  const int64_t patches = noise_BN.size(1), visible = visible_count(patches, mask_ratio);
  EOSIN_CHECK(visible > 0 && visible < patches, Config, "[mae] mask_ratio {} leaves {} of {} patches (need between 1 and {})", mask_ratio, visible,
              patches, patches - 1);
  const Tensor order_BN = noise_BN.argsort(/*stable=*/true, 1, false), restore_BN = order_BN.argsort(/*stable=*/true, 1, false);
  return {order_BN.narrow(1, 0, visible), restore_BN, restore_BN.ge(visible).to(at::kFloat)};
}

}  // namespace eosin::ssl
