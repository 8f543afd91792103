#include "optim/param_groups.h"

#include "core/base/error.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <set>
#include <string_view>

namespace eosin::optim {
namespace {

bool contains_any(std::string_view name, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return name.find(w) != std::string_view::npos; });
}

bool listed(const std::vector<std::string>& names, const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); }

/// i of the first "blocks.i." in the name.
std::optional<int64_t> block_of(std::string_view name) {
  constexpr std::string_view kWord = "blocks.";
  const size_t at = name.find(kWord);
  if (at == std::string_view::npos) return std::nullopt;
  int64_t index = 0;
  size_t i = at + kWord.size();
  for (; i < name.size() && std::isdigit(static_cast<unsigned char>(name[i])); ++i) index = 10 * index + (name[i] - '0');
  if (i == at + kWord.size() || i == name.size() || name[i] != '.') return std::nullopt;
  return index;
}

ParamRule layer_decay_rule(const LayerDecay& o, const std::string& name, bool first, bool exempt) {
  ParamRule rule;
  const auto block = block_of(name);
  const int64_t id = first ? 0 : block ? *block + 1 : o.depth + 1;
  if (o.depth > 0) rule.lr_scale = std::pow(o.decay, static_cast<double>(o.depth + 1 - id));
  if (contains_any(name, {"patch_embed"})) rule.lr_scale *= o.patch_embed_mult;
  if (exempt || contains_any(name, {"norm", "gamma"})) rule.weight_decay_scale = 0.0;
  rule.last_layer = contains_any(name, {"last_layer"});
  rule.frozen_moves = rule.last_layer;
  return rule;
}

}  // namespace

RuleOf dino_rule() {
  return [](const std::string& name, const Shape& shape) {
    ParamRule rule;
    if (name.ends_with(".bias") || shape.size() == 1) rule.weight_decay_scale = 0.0;
    rule.last_layer = contains_any(name, {"last_layer"});
    return rule;
  };
}

RuleOf no_decay_rule(std::vector<std::string> no_decay_names) {
  return [names = std::move(no_decay_names)](const std::string& name, const Shape& shape) {
    ParamRule rule;
    if (shape.size() <= 1 || name.ends_with(".bias") || listed(names, name)) rule.weight_decay_scale = 0.0;
    return rule;
  };
}

RuleOf mae_rule(double layer_decay, int64_t depth, std::vector<std::string> no_decay_names) {
  return [layer_decay, depth, names = std::move(no_decay_names)](const std::string& name, const Shape& shape) {
    const bool first = name == "cls_token" || name == "pos_embed" || name.starts_with("patch_embed");
    const auto block = name.starts_with("blocks.") ? block_of(name) : std::nullopt;
    const int64_t id = first ? 0 : block ? *block + 1 : depth + 1;
    ParamRule rule;
    rule.lr_scale = std::pow(layer_decay, static_cast<double>(depth + 1 - id));
    if (shape.size() == 1 || listed(names, name)) rule.weight_decay_scale = 0.0;
    return rule;
  };
}

RuleOf dinov2_rule(const LayerDecay& options) {
  return [options](const std::string& name, const Shape&) {
    const bool first = contains_any(name, {"pos_embed", "patch_embed", "mask_token", "cls_token", "reg_token", "register_tokens"});
    return layer_decay_rule(options, name, first, name.ends_with(".bias"));
  };
}

RuleOf dinov3_rule(const LayerDecay& options) {
  return [options](const std::string& name, const Shape&) {
    const bool first = contains_any(name, {"pos_embed", "patch_embed", "mask_token", "cls_token", "reg_token", "storage_tokens"});
    return layer_decay_rule(options, name, first, name.ends_with("bias"));
  };
}

ParamRule mup_rule(const std::string& optimizer, bool decoupled_weight_decay, const Shape& shape, const Shape& base) {
  EOSIN_CHECK(shape.size() == base.size(), Shape, "[mup] the base model's parameter has {} axes, the model's {}", base.size(), shape.size());
  EOSIN_CHECK(optimizer == "adam" || optimizer == "adamw" || optimizer == "sgd", Config, "[mup] no rule for optimizer '{}'; use adam, adamw or sgd",
              optimizer);
  std::vector<double> ratios;  // of the infinite axes, in order
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != base[i]) ratios.push_back(static_cast<double>(shape[i]) / static_cast<double>(base[i]));
  ParamRule rule;
  if (ratios.empty()) return rule;
  const double width = ratios.back();
  if (optimizer == "sgd") {
    const double factor = ratios.size() == 1 ? width : ratios.front() / width;
    rule.lr_scale = factor;
    if (!decoupled_weight_decay) rule.weight_decay_scale = 1.0 / factor;
  } else if (ratios.size() >= 2) {
    rule.lr_scale = 1.0 / width;
    if (!decoupled_weight_decay) rule.weight_decay_scale = width;
  }
  return rule;
}

std::vector<ParamGroup> group_params(const std::vector<std::pair<std::string, Tensor>>& named, const RuleOf& rule, const std::string& clip_group) {
  std::vector<ParamGroup> groups;
  std::set<std::string> seen;
  for (const auto& [name, param] : named) {
    EOSIN_ASSERT(seen.insert(name).second);
    const ParamRule r = rule(name, param.sizes().vec());
    auto group = std::find_if(groups.begin(), groups.end(), [&](const ParamGroup& g) { return static_cast<const ParamRule&>(g) == r; });
    if (group == groups.end()) {
      ParamGroup fresh;
      static_cast<ParamRule&>(fresh) = r;
      fresh.clip_group = clip_group;
      group = groups.insert(groups.end(), std::move(fresh));
    }
    group->names.push_back(name);
    group->params.push_back(param);
  }
  return groups;
}

}  // namespace eosin::optim
