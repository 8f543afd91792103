#include "mil/stamp_alibi.h"

#include "core/base/error.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include <cmath>

namespace eosin::mil {

StampAlibiImpl::StampAlibiImpl(int64_t dim, int64_t heads) : fc_(nullptr) {
  EOSIN_CHECK(dim % heads == 0, Config, "[stamp_alibi] width {} is no multiple of {} heads", dim, heads);
  for (int64_t h = 0; h < heads; ++h) {
    const std::string number = std::to_string(h);
    Part part{add_linear(*this, "query_encoders." + number, dim, dim / heads), add_linear(*this, "key_encoders." + number, dim, dim / heads),
              add_linear(*this, "value_encoders." + number, dim, dim / heads), add_parameter(*this, "attentions." + number + ".bias_scale", {1}),
              module_at(*this, "attentions." + number + ".scale_distance").register_buffer("running_mean", torch::ones({1}))};
    heads_.push_back(part);
  }
  fc_ = add_linear(*this, "fc", dim, dim);
}

Tensor StampAlibiImpl::forward(const Tensor& x_NE, const Tensor& coords_N2, const Tensor& attn_mask_NN, const Tensor& alibi_mask_NN) {
  EOSIN_CHECK(coords_N2.dim() == 2 && coords_N2.size(0) == x_NE.size(0), Shape, "[stamp_alibi] {} coordinates for {} tiles", coords_N2.size(0),
              x_NE.size(0));
  const Tensor difference = coords_N2.unsqueeze(1) - coords_N2.unsqueeze(0);
  const Tensor distance_NN = (difference * difference).sum(2).sqrt();
  std::vector<Tensor> out;
  for (Part& head : heads_) {
    const Tensor q = head.query(x_NE), k = head.key(x_NE);
    Tensor bias = distance_NN / head.running_mean * head.bias_scale;
    if (alibi_mask_NN.defined()) bias = bias.masked_fill(alibi_mask_NN, 0);
    Tensor weights = (q.matmul(k.t()) / std::sqrt(static_cast<double>(q.size(1)))).softmax(1) - bias;
    if (attn_mask_NN.defined()) weights = weights.masked_fill(attn_mask_NN, 0);
    out.push_back(weights.matmul(head.value(x_NE)));
  }
  return fc_(at::cat(out, 1));
}

}  // namespace eosin::mil
