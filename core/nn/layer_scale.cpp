#include "core/nn/layer_scale.h"

#include <torch/types.h>

namespace eosin::nn {

LayerScaleImpl::LayerScaleImpl(int64_t dim, double init_value) : gamma(register_parameter("gamma", torch::full({dim}, init_value))) {}

}  // namespace eosin::nn
