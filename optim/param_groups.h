#pragma once
// Which parameter learns how fast and decays how much: rules on names and shapes, and the groups that they make.
#include "core/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace eosin::optim {

/// What one parameter does with the run's learning rate and weight decay.
struct ParamRule {
  double lr_scale = 1.0;
  double weight_decay_scale = 1.0;  // 0 exempts
  bool last_layer = false;          // frozen for the first freeze_last_layer_steps
  bool frozen_moves = false;        // while frozen only the rate is 0 and moments go on (DINOv2); else the update is left out (DINO)

  double lr(double base) const { return base * lr_scale; }
  double weight_decay(double base) const { return base * weight_decay_scale; }
  bool operator==(const ParamRule&) const = default;
};

/// Parameters that share one rule; made by the objective, read by the optimizer and the clipping.
struct ParamGroup : ParamRule {
  std::vector<std::string> names;  // dotted, as in named_parameters()
  std::vector<Tensor> params;
  std::string clip_group;  // parameters of groups with one clip_group share a norm where clipping is per module
};

using Shape = std::vector<int64_t>;
/// A rule for every parameter, from its name and shape.
using RuleOf = std::function<ParamRule(const std::string& name, const Shape& shape)>;

/// No decay for names ending in ".bias" and for rank 1 (DINO, utils.get_params_groups); names containing "last_layer" are the last layer.
RuleOf dino_rule();

/// No decay for rank <= 1, for names ending in ".bias", and for the names listed (timm, param_groups_weight_decay).
RuleOf no_decay_rule(std::vector<std::string> no_decay_names);

/// MAE's layer-wise decay (util/lr_decay.py): layer id 0 for cls_token, pos_embed and patch_embed*, i + 1 for blocks.i, depth + 1 for the
/// rest; lr_scale = decay^(depth + 1 - id). No decay for rank 1 and for the names listed.
RuleOf mae_rule(double layer_decay, int64_t depth, std::vector<std::string> no_decay_names = {"pos_embed", "cls_token", "dist_token"});

struct LayerDecay {
  double decay = 1.0;             // per layer
  int64_t depth = 0;              // blocks of the backbone; 0 for a head, whose lr_scale is 1
  double patch_embed_mult = 1.0;  // times, for names containing patch_embed
};
/// DINOv2's layer-wise decay (utils/param_groups.py): id 0 for tokens, positions and patch embedding, i + 1 for blocks.i., depth + 1 for
/// the rest; lr_scale = decay^(depth + 1 - id). No weight decay for names ending in ".bias" or containing "norm" or "gamma".
/// A frozen last layer has the rate 0.
RuleOf dinov2_rule(const LayerDecay& options);
/// The same as DINOv3 has it: its register tokens are called storage_tokens, and any name ending in "bias" is exempt.
RuleOf dinov3_rule(const LayerDecay& options);

/// Width multipliers of muP (Yang et al. 2022, arXiv:2203.03466, table 8; MuAdam and MuSGD of the mup package).
/// `optimizer` is "adam", "adamw" or "sgd"; `base` is the parameter's shape in the base model: axes that differ from it are "infinite".
ParamRule mup_rule(const std::string& optimizer, bool decoupled_weight_decay, const Shape& shape, const Shape& base);

/// Groups the parameters by equal rule, in the order of first appearance, all with one `clip_group`.
/// Errors   Internal if a name comes twice.
/// Checked  golden optim.param_groups and ssl.layer_decay, tests/optim/test_param_groups.cpp.
std::vector<ParamGroup> group_params(const std::vector<std::pair<std::string, Tensor>>& named, const RuleOf& rule, const std::string& clip_group);

}  // namespace eosin::optim
