#pragma once
// The table of backbones and the `model` block of a config.
#include "core/nn/model_config.h"

#include <string>
#include <vector>

namespace eosin::nn {

/// One selectable size. Weights import and timm's architecture name of exports read the same rows.
struct BackboneRow {
  std::string name;
  std::string one_line;
  std::string source;
  ModelConfig model;
  std::string timm_name;  // an architecture of timm with this block type; its sizes are overridden by model_args
};
const std::vector<BackboneRow>& backbones();
/// Config error that names the nearest if there is no such row.
const BackboneRow& backbone(const std::string& name);

/// The `model` block: a row of the table, at an image and patch size.
struct BackboneConfig {
  std::string name = "vit_small";
  int64_t image_size_px = 224, patch_size = 16, reg_tokens = 0;
  bool qk_norm = false;
  std::optional<double> init_values;
  RopeConfig rope;
  std::optional<double> drop_path_rate;
  bool drop_path_uniform = false;
  bool grad_checkpointing = false;
  TokenMergeConfig token_merge;
  std::string init;
  bool init_heads = false;
  std::vector<std::string> allow_missing;

  void visit(config::Visitor& v);
  void validate(config::Problems& p) const;
};

/// The row that a `model` block names; none while its name is none of the table's (an error that the reader of the config reports).
const BackboneRow* row_of(const BackboneConfig& config);
/// What the sides of its images must be a multiple of, and how long at least: the patch, or what the family needs.
int64_t size_multiple(const BackboneConfig& config);
int64_t least_size(const BackboneConfig& config);

/// Stochastic depth of the model: where none is given 0.1, but 0 where tokens merge and in a ResNet, which has none.
double drop_path_rate(const BackboneConfig& config);

/// The network of a `model` block. A vision transformer with rope has no learned positions and no bias of the keys, as DINOv3's.
ModelConfig make_model_config(const BackboneConfig& config);

}  // namespace eosin::nn
