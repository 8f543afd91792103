#pragma once
// A backbone with linear classification heads.
#include "core/nn/backbone.h"
#include "core/nn/encoder_spec.h"
#include "core/tensor/comm.h"
#include "optim/param_groups.h"

#include <torch/nn/modules/linear.h>

#include <memory>
#include <optional>
#include <vector>

namespace eosin::ssl {

/// Logits of the feature's head and, where there is one, of the distillation token's.
struct ClassLogits {
  Tensor cls_NC, distillation_NC;
  /// What is predicted: the mean of both (Touvron et al. 2021, arXiv:2012.12877, section 4.1).
  Tensor prediction() const { return distillation_NC.defined() ? (cls_NC + distillation_NC) / 2 : cls_NC; }
};

/// `backbone`, `head` on its pooled feature, and with a distillation token `head_dist` on that. timm's names.
struct ClassifierNetImpl : torch::nn::Module {
  ClassifierNetImpl(const nn::ModelConfig& model, int64_t classes, bool distillation_token, const std::shared_ptr<Comm>& comm);
  /// Heads normal 0.02 with bias 0; the distillation token, which is a register with a position, too.
  void init_weights(uint64_t seed);
  /// Rows of the groups, one after another.
  ClassLogits forward(const std::vector<Tensor>& groups_BCHW, const std::optional<nn::DropPathKey>& drop_path = {});
  /// What is trained: no decay of vectors, tokens and positions (timm), learning rates by depth.
  std::vector<optim::ParamGroup> param_groups(double layer_decay) const;
  /// "batch norm" where the backbone has it.
  std::vector<std::string> batch_losses() const;

  std::shared_ptr<nn::Backbone> backbone;
  torch::nn::Linear head{nullptr}, head_dist{nullptr};
};
TORCH_MODULE(ClassifierNet);

/// The encoder with a distillation token: a register that has a position, as timm's order of tokens and positions has it.
///
/// Errors   Config if it is no vision transformer, or has registers already.
nn::EncoderSpec with_distillation_token(nn::EncoderSpec encoder);

}  // namespace eosin::ssl
