#include "ssl/view_pair.h"

#include "core/base/error.h"

namespace eosin::ssl {

std::vector<Tensor> view_pair(const data::ViewBatch& batch, const char* method) {
  const std::vector<Tensor>& views = batch.views_BCHW;
  EOSIN_CHECK(views.size() >= 2 && views[0].sizes() == views[1].sizes(), Shape, "[{}] a batch has {} views (need two of one size)", method,
              views.size());
  return {views[0], views[1]};
}

}  // namespace eosin::ssl
