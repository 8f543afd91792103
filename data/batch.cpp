#include "data/batch.h"

#include <ATen/ATen.h>

namespace eosin::data {

ViewBatch to_device(ViewBatch batch, c10::Device device) {
  for (Tensor& views : batch.views_BCHW) views = views.to(device, /*non_blocking=*/true);
  return batch;
}

}  // namespace eosin::data
