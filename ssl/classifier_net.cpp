#include "ssl/classifier_net.h"

#include "core/base/error.h"
#include "core/nn/batch_norm.h"
#include "core/nn/init.h"
#include "core/nn/vit.h"
#include "ssl/student_groups.h"

#include <ATen/ATen.h>

namespace eosin::ssl {
namespace {

constexpr const char* kDistillationToken = "reg_token";

/// MAE's and timm's rules know the backbone's own names.
optim::RuleOf backbone_rule(double layer_decay, const nn::ModelConfig& model) {
  return [rule = optim::mae_rule(layer_decay, nn::blocks(model)), model](const std::string& name, const optim::Shape& shape) {
    const std::string own = nn::layer_name(model, name.substr(std::string("student.backbone.").size()));
    return rule(own == kDistillationToken ? "cls_token" : own, shape);
  };
}

}  // namespace

ClassifierNetImpl::ClassifierNetImpl(const nn::ModelConfig& model, int64_t classes, bool distillation_token, const std::shared_ptr<Comm>& comm)
    : backbone(register_module("backbone", nn::make_backbone(model, comm))),
      head(register_module("head", torch::nn::Linear(nn::feature_dim(model), classes))) {
  if (distillation_token) head_dist = register_module("head_dist", torch::nn::Linear(nn::token_dim(model), classes));
}

void ClassifierNetImpl::init_weights(uint64_t seed) {
  const at::NoGradGuard no_grad;
  backbone->init_weights(seed);
  for (auto& [name, linear] : {std::pair{"head", head}, {"head_dist", head_dist}}) {
    if (linear.is_empty()) continue;
    nn::init_normal(linear->weight, 0.02, seed, name);
    linear->bias.zero_();
  }
  if (!head_dist.is_empty()) nn::init_normal(backbone->named_parameters()[kDistillationToken], 0.02, seed, kDistillationToken);
}

ClassLogits ClassifierNetImpl::forward(const std::vector<Tensor>& groups_BCHW, const std::optional<nn::DropPathKey>& drop_path) {
  if (head_dist.is_empty()) return {head(at::cat(backbone->forward_features(groups_BCHW, drop_path))), {}};
  nn::Vit vit = nn::as_vit(backbone);
  nn::VitPass pass;
  pass.drop_path = drop_path;
  std::vector<Tensor> features, tokens;
  for (const Tensor& prenorm : vit->forward_prenorm(groups_BCHW, pass)) {
    const Tensor group = vit->normalise(prenorm);
    features.push_back(vit->pool(group));
    tokens.push_back(vit->register_tokens(group).select(1, 0));
  }
  return {head(at::cat(features)), head_dist(at::cat(tokens))};
}

std::vector<optim::ParamGroup> ClassifierNetImpl::param_groups(double layer_decay) const {
  return student_groups(*this, [&](const std::string& part) {
    return part == "backbone" ? backbone_rule(layer_decay, backbone->description()) : optim::no_decay_rule({});
  });
}

std::vector<std::string> ClassifierNetImpl::batch_losses() const {
  return nn::has_batch_norm(*backbone) ? std::vector<std::string>{"batch norm"} : std::vector<std::string>{};
}

nn::EncoderSpec with_distillation_token(nn::EncoderSpec encoder) {
  nn::VitConfig& vit = encoder.vit();
  EOSIN_CHECK(vit.reg_tokens == 0, Config, "[model.reg_tokens] {} registers beside a distillation token (need 0)", vit.reg_tokens);
  vit.reg_tokens = 1;
  if (vit.has_pos_embed()) vit.pos_embed_covers = "all";
  return encoder;
}

}  // namespace eosin::ssl
