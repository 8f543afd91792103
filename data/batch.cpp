#include "data/batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace eosin::data {
namespace {

void append_slices(const Tensor& group, int64_t views, std::vector<Tensor>& out) {
  const int64_t batch = group.size(0) / views;
  for (int64_t v = 0; v < views; ++v) out.push_back(group.narrow(0, v * batch, batch));
}

std::vector<Tensor> render(const DrawnViews& drawn, c10::Device device) {
  const Tensor tiles_BHWC = drawn.tiles_BHWC.to(device, /*non_blocking=*/true);
  std::vector<Tensor> views;
  for (const DrawnViews::Group& g : drawn.groups)
    append_slices(kernels::render_views(tiles_BHWC, g.records.to(device, /*non_blocking=*/true), g.recipe), g.views, views);
  return views;
}

/// Whether b follows a in the memory of one slab.
bool adjoin(const Tensor& a, const Tensor& b) {
  return a.is_alias_of(b) && a.sizes() == b.sizes() && a.is_contiguous() && b.is_contiguous() && b.storage_offset() == a.storage_offset() + a.numel();
}

std::vector<Tensor> moved(const std::vector<Tensor>& views, c10::Device device) {
  std::vector<Tensor> out;
  for (size_t begin = 0, end = 0; begin < views.size(); begin = end) {
    for (end = begin + 1; end < views.size() && adjoin(views[end - 1], views[end]);) ++end;
    const auto count = static_cast<int64_t>(end - begin);
    std::vector<int64_t> shape = views[begin].sizes().vec();
    shape[0] *= count;
    const Tensor slab = views[begin].as_strided(shape, views[begin].strides()).to(device, /*non_blocking=*/true);
    append_slices(slab.scalar_type() == at::kBFloat16 ? slab.to(at::kFloat) : slab, count, out);
  }
  return out;
}

bool is_ready(const Tensor& views, c10::Device device) { return views.device() == device && views.scalar_type() != at::kBFloat16; }

}  // namespace

void set_views(ViewBatch& batch, std::vector<Tensor> views_BCHW, int64_t undistorted) {
  const auto last = views_BCHW.end() - undistorted;
  batch.undistorted_BCHW.assign(last, views_BCHW.end());
  views_BCHW.erase(last, views_BCHW.end());
  batch.views_BCHW = std::move(views_BCHW);
}

ViewBatch to_device(ViewBatch batch, c10::Device device) {
  if (batch.drawn) {
    set_views(batch, render(*batch.drawn, device), batch.drawn->undistorted);
    batch.drawn.reset();
  }
  for (std::vector<Tensor>* views : {&batch.views_BCHW, &batch.undistorted_BCHW})
    if (!std::all_of(views->begin(), views->end(), [&](const Tensor& v) { return is_ready(v, device); })) *views = moved(*views, device);
  if (batch.labels_B.defined()) batch.labels_B = batch.labels_B.to(device);
  if (batch.masks_BN.defined()) batch.masks_BN = batch.masks_BN.to(device);
  return batch;
}

}  // namespace eosin::data
