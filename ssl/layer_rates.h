#pragma once
// Learning rates that fall from a backbone's last block to its first: a key of every method that trains by DINO's rule.
#include "core/base/config.h"
#include "core/nn/model_config.h"
#include "optim/param_groups.h"

#include <functional>
#include <string>

namespace eosin::ssl {

struct LayerRates {
  double layer_decay = 1.0;
  void visit(config::Visitor& v);
};

/// DINO's rule for each part of a student, with layer-wise learning rates in the backbone (DINOv2's, where layer_decay < 1).
std::function<optim::RuleOf(const std::string& part)> dino_rules(const LayerRates& rates, const nn::ModelConfig& model);

}  // namespace eosin::ssl
