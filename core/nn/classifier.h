#pragma once
// Encoders with the linear heads that tell classes apart: what `eosin pretrain method.name=classify` trains, and public classifiers.
#include "core/nn/encoder.h"

#include <torch/nn/modules/linear.h>

#include <string>
#include <vector>

namespace eosin::nn {

/// `head` is on the encoder's feature; `head_dist`, where there is one, on its first register: a distillation token.
struct Classifier {
  Encoder encoder;
  torch::nn::Linear head{nullptr}, head_dist{nullptr};
  std::vector<std::string> classes;  // empty: the file does not name them
  std::string weights_hash;          // of encoder and heads

  int64_t n_classes() const { return head->weight.size(0); }
  /// The mean of both heads' logits, without gradient (Touvron et al. 2021, arXiv:2012.12877, section 4.1).
  ///
  /// Shapes   images_BCHW, normalised -> [B, classes].
  Tensor logits(const Tensor& images_BCHW);
};

/// A run folder of `classify` or `distill_logits`, a checkpoint of one, or a file of public weights with a head (`head.*` of timm, with
/// `head_dist.*`; `classifier.*` of transformers; `fc.*` and `head.fc.*` of convolutional networks).
///
/// Errors   those of load_encoder; Data if there is no head, or it does not fit the encoder's feature.
/// Checked  tests/nn/test_classifier.cpp.
Classifier load_classifier(const std::string& path, const EncoderSource& source = {});

}  // namespace eosin::nn
