#pragma once
// What supervised methods take from a batch: views of one size together, and the label of every sample.
#include "data/batch.h"
#include "ssl/mixing.h"

#include <vector>

namespace eosin::ssl {

/// Every view is a sample of its tile's class. `labels` are crop-major as the groups joined: classes [N], or where pictures are mixed shares
/// [N, classes].
struct LabelledViews {
  std::vector<Tensor> groups_BCHW;
  Tensor labels;
};

/// Errors   Shape if the batch has no views; Data if it has no labels.
/// Checked  tests/ssl/test_classify.cpp.
LabelledViews labelled_views(const data::ViewBatch& batch, int64_t classes, const MixConfig& mix, uint64_t seed, const char* method);

}  // namespace eosin::ssl
