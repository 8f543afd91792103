#pragma once
#include "mil/layers.h"

#include <vector>

namespace eosin::mil {

/// STAMP's attention, for its weights alone: each head subtracts scaled distances after the softmax, so that weights may be negative.
/// Parameters `{query, key, value}_encoders.{h}.*`, `attentions.{h}.{bias_scale, scale_distance.running_mean}`, `fc.*`.
///
/// Shapes   x_NE, coords [N, 2], masks [N, N] bool or undefined (true: no attention, no bias) -> [N, E].
/// Differs  the running mean of the distances does not move here (evaluation).
/// Checked  golden mil.stamp_alibi.
class StampAlibiImpl : public torch::nn::Module {
 public:
  StampAlibiImpl(int64_t dim, int64_t heads);
  Tensor forward(const Tensor& x_NE, const Tensor& coords_N2, const Tensor& attn_mask_NN = {}, const Tensor& alibi_mask_NN = {});

 private:
  struct Part {
    Linear query{nullptr}, key{nullptr}, value{nullptr};
    Tensor bias_scale, running_mean;
  };
  std::vector<Part> heads_;
  Linear fc_{nullptr};
};
TORCH_MODULE(StampAlibi);

}  // namespace eosin::mil
