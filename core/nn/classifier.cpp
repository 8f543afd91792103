#include "core/nn/classifier.h"

#include "core/base/error.h"
#include "core/nn/vit.h"

#include <ATen/ATen.h>

namespace eosin::nn {
namespace {

/// The linear layer of that name; null if there is none.
torch::nn::Linear linear_of(const TensorMap& heads, const std::string& name, int64_t width, const std::string& where) {
  const auto weight = heads.find(name + ".weight"), bias = heads.find(name + ".bias");
  if (weight == heads.end()) return nullptr;
  EOSIN_CHECK(weight->second.dim() == 2 && weight->second.size(1) == width, Data, "[classifier] {} of {} has the shape [{}] (need [classes, {}])",
              weight->first, where, fmt::join(weight->second.sizes().vec(), ", "), width);
  const int64_t classes = weight->second.size(0);
  EOSIN_CHECK(bias == heads.end() || bias->second.numel() == classes, Data, "[classifier] {} of {} has {} numbers (need {})", bias->first, where,
              bias->second.numel(), classes);
  const at::NoGradGuard no_grad;
  torch::nn::Linear linear(torch::nn::LinearOptions(width, classes).bias(bias != heads.end()));
  linear->weight.copy_(weight->second);
  if (bias != heads.end()) linear->bias.copy_(bias->second.view({-1}));
  for (Tensor& p : linear->parameters()) p.set_requires_grad(false);
  return linear;
}

}  // namespace

Tensor Classifier::logits(const Tensor& images_BCHW) {
  const at::NoGradGuard no_grad;
  if (head_dist.is_empty()) return head(encoder.model->forward(images_BCHW));
  Vit vit = as_vit(encoder.model);
  const Tensor tokens = vit->forward_tokens(images_BCHW);
  return (head(vit->pool(tokens)) + head_dist(vit->register_tokens(tokens).select(1, 0))) / 2;
}

Classifier load_classifier(const std::string& path, const EncoderSource& source) {
  const EncoderWeights stored = read_encoder(path, source);
  Classifier classifier;
  classifier.encoder = make_encoder(stored);
  classifier.classes = stored.classes;
  const ModelConfig& model = stored.spec.model;
  const auto* vit = std::get_if<VitConfig>(&model);
  classifier.head = linear_of(stored.heads, "head", feature_dim(model), path);
  EOSIN_CHECK(!classifier.head.is_empty(), Data,
              "[classifier] {} holds an encoder without a classification head; train one with method.name=classify, or give weights with head.*",
              path);
  classifier.head_dist = linear_of(stored.heads, "head_dist", token_dim(model), path);
  EOSIN_CHECK(classifier.head_dist.is_empty() || (vit && vit->reg_tokens > 0 && classifier.head_dist->weight.size(0) == classifier.n_classes()), Data,
              "[classifier] head_dist of {} needs a distillation token, and {} classes as its head has", path, classifier.n_classes());
  EOSIN_CHECK(classifier.classes.empty() || std::ssize(classifier.classes) == classifier.n_classes(), Data,
              "[classifier] {} names {} classes and has logits of {}", path, classifier.classes.size(), classifier.n_classes());
  TensorMap all = stored.heads;
  for (const auto& [name, tensor] : named_weights(*classifier.encoder.model)) all.emplace("backbone." + name, tensor);
  classifier.weights_hash = weights_hash(all);
  return classifier;
}

}  // namespace eosin::nn
