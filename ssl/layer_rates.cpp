#include "ssl/layer_rates.h"

namespace eosin::ssl {

void LayerRates::visit(config::Visitor& v) {
  v("layer_decay", layer_decay, "learning rate factor from a block to the one below; 1: the same everywhere", config::Range{0, 1, config::kOpenLow});
}

std::function<optim::RuleOf(const std::string&)> dino_rules(const LayerRates& rates, const nn::ModelConfig& model) {
  return [=](const std::string& part) -> optim::RuleOf {
    if (part != "backbone" || rates.layer_decay == 1) return optim::dino_rule();
    const optim::RuleOf dino = optim::dino_rule(), layers = optim::dinov2_rule({rates.layer_decay, nn::blocks(model), 1.0});
    return [=](const std::string& name, const optim::Shape& shape) {
      optim::ParamRule rule = dino(name, shape);
      rule.lr_scale = layers(nn::layer_name(model, name), shape).lr_scale;
      return rule;
    };
  };
}

}  // namespace eosin::ssl
