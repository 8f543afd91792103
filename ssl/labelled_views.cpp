#include "ssl/labelled_views.h"

#include "core/base/error.h"
#include "ssl/crop_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {

LabelledViews labelled_views(const data::ViewBatch& batch, int64_t classes, const MixConfig& mix, uint64_t seed, const char* method) {
  EOSIN_CHECK(!batch.views_BCHW.empty(), Shape, "[{}] a batch without views", method);
  EOSIN_CHECK(batch.labels_B.defined(), Data, "[{}] a batch without labels; name their column as data.labels.column", method);
  const auto views = static_cast<int64_t>(batch.views_BCHW.size());
  if (!mix.on()) return {group_by_size(batch.views_BCHW), batch.labels_B.repeat({views})};
  std::vector<Tensor> mixed, targets;
  for (int64_t v = 0; v < views; ++v) {
    const Tensor& view = batch.views_BCHW[static_cast<size_t>(v)];
    const Mix drawn = draw_mix(mix, view.size(0), view.size(2), view.size(3), seed, batch.first_position, static_cast<uint32_t>(v));
    mixed.push_back(drawn.pictures(view));
    targets.push_back(drawn.targets(batch.labels_B, classes));
  }
  return {group_by_size(mixed), at::cat(targets)};
}

}  // namespace eosin::ssl
