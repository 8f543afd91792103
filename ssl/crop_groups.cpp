#include "ssl/crop_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

/// True if b begins where a ends.
bool adjoins(const Tensor& a, const Tensor& b) {
  return a.is_contiguous() && b.is_contiguous() && a.is_alias_of(b) && a.storage_offset() + a.numel() == b.storage_offset();
}

Tensor join(const std::vector<Tensor>& views) {
  if (views.size() == 1) return views.front();
  for (size_t i = 1; i < views.size(); ++i)
    if (!adjoins(views[i - 1], views[i])) return at::cat(views, 0);
  std::vector<int64_t> sizes = views.front().sizes().vec();
  sizes[0] *= static_cast<int64_t>(views.size());
  return views.front().as_strided(sizes, views.front().strides());
}

}  // namespace

std::vector<Tensor> group_by_size(const std::vector<Tensor>& views_BCHW) {
  std::vector<Tensor> groups;
  for (size_t begin = 0, end = 0; begin < views_BCHW.size(); begin = end) {
    while (end < views_BCHW.size() && views_BCHW[end].sizes() == views_BCHW[begin].sizes()) ++end;
    groups.push_back(join({views_BCHW.begin() + static_cast<std::ptrdiff_t>(begin), views_BCHW.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return groups;
}

}  // namespace eosin::ssl
