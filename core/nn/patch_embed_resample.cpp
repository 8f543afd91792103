#include "core/nn/patch_embed_resample.h"

#include "core/base/error.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace eosin::nn {
namespace {

Tensor resize(const Tensor& images, PatchGrid size, const std::string& interpolation, bool antialias) {
  const std::array<int64_t, 2> to{size.rows, size.cols};
  if (interpolation == "bicubic") return antialias ? at::_upsample_bicubic2d_aa(images, to, false) : at::upsample_bicubic2d(images, to, false);
  EOSIN_CHECK(interpolation == "bilinear", Config, "[patch_embed] unknown interpolation '{}' (need bicubic or bilinear)", interpolation);
  return antialias ? at::_upsample_bilinear2d_aa(images, to, false) : at::upsample_bilinear2d(images, to, false);
}

/// Column j is the resized unit image j: [new count, old count].
Tensor resize_matrix(PatchGrid from, PatchGrid to, const std::string& interpolation, bool antialias) {
  const Tensor units = at::eye(from.count(), at::kFloat).view({from.count(), 1, from.rows, from.cols});
  return resize(units, to, interpolation, antialias).view({from.count(), to.count()}).t();
}

/// pinv(R) in float64, made once for each pair of sizes: a run with several patch sizes needs the same few at every step.
Tensor inverse_resize(PatchGrid from, PatchGrid to, const std::string& interpolation, bool antialias, c10::Device device) {
  static std::mutex mutex;
  static std::map<std::tuple<int64_t, int64_t, int64_t, int64_t, std::string, bool, std::string>, Tensor> made;
  const std::scoped_lock lock(mutex);
  Tensor& inverse = made[{from.rows, from.cols, to.rows, to.cols, interpolation, antialias, device.str()}];
  if (!inverse.defined()) {
    const at::NoGradGuard no_grad;
    const Tensor matrix = resize_matrix(from, to, interpolation, antialias).to(at::kDouble);
    const double cut = 1.19e-7 * static_cast<double>(std::max(from.count(), to.count()));
    inverse = at::linalg_pinv(matrix, std::nullopt, cut, false).to(device);
  }
  return inverse;
}

}  // namespace

Tensor resample_patch_embed(const Tensor& weight_OIHW, PatchGrid new_size, const std::string& interpolation, bool antialias) {
  const PatchGrid old_size{weight_OIHW.size(2), weight_OIHW.size(3)};
  if (old_size == new_size) return weight_OIHW;
  const Tensor inverse = inverse_resize(old_size, new_size, interpolation, antialias, weight_OIHW.device());
  const Tensor flat = weight_OIHW.flatten(2).to(at::kDouble);
  return flat.matmul(inverse).view({weight_OIHW.size(0), weight_OIHW.size(1), new_size.rows, new_size.cols}).to(weight_OIHW.scalar_type());
}

}  // namespace eosin::nn
