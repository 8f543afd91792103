#include "mil/additive.h"

#include "mil/attention_pool.h"

#include <ATen/ATen.h>

namespace eosin::mil {
namespace {

constexpr double kSlope = 0.2;

std::vector<Linear> add_mlp(torch::nn::Module& owner, const std::string& path, int64_t in, const std::vector<int64_t>& hidden, int64_t out) {
  std::vector<Linear> layers;
  int64_t width = in;
  for (const int64_t dim : hidden) {
    layers.push_back(add_linear(owner, path + "." + std::to_string(2 * layers.size()), width, dim));
    width = dim;
  }
  layers.push_back(add_linear(owner, path + "." + std::to_string(2 * layers.size()), width, out));
  return layers;
}

Tensor mlp(std::vector<Linear>& layers, const Tensor& x) {
  Tensor h = x;
  for (size_t i = 0; i < layers.size(); ++i) h = layers[i](i == 0 ? h : at::leaky_relu(h, kSlope));
  return h;
}

}  // namespace

Additive::Additive(const AdditiveConfig& config, int64_t in_dim, int64_t n_outputs)
    : in_dim_(in_dim),
      pointer_(add_mlp(*this, "pointer.model", in_dim, config.attention_hidden, 1)),
      classifier_(add_mlp(*this, "classifier.model", in_dim, config.classifier_hidden, n_outputs)) {}

HeadOutput Additive::forward(const BagBatch& bags, const Pass&) {
  check_bags(bags, in_dim_);
  const Tensor x_ND = bags.features_ND.to(pointer_[0]->weight.scalar_type());
  const Tensor scores_N1 = mlp(pointer_, x_ND);
  const Pooled pooled = attention_pool(scores_N1, x_ND, bags.offsets);
  HeadOutput out;
  out.attention_KN = pooled.attention_KN, out.attention_raw_KN = pooled.attention_raw_KN;
  out.embedding_BE = pooled.embedding_BKE.flatten(1);
  out.instance_logits_NC = mlp(classifier_, out.attention_KN.t() * x_ND);
  std::vector<Tensor> logits;
  for (const Tensor& of_bag : split_bags(out.instance_logits_NC, bags.offsets)) logits.push_back(of_bag.sum(0));
  out.logits_BC = at::stack(logits);
  return out;
}

}  // namespace eosin::mil
