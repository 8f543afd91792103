#pragma once
// What a network is: one of the families of backbones, with everything that builds the module that a set of weights fits.
#include "core/nn/convnext_config.h"
#include "core/nn/resnet_config.h"
#include "core/nn/swin_config.h"
#include "core/nn/vit_config.h"

#include <string>
#include <variant>
#include <vector>

namespace eosin::nn {

/// Every family has img_size, in_chans, token_dim(), feature_dim(), summary_dim(), size_multiple(), least_size(), blocks(), layer_name(),
/// kept_elements() and check().
using ModelConfig = std::variant<VitConfig, ResNetConfig, ConvNextConfig, SwinConfig>;

/// The family's name, which is also its key in JSON: vit, resnet, convnext or swin.
std::string family_of(const ModelConfig& model);
/// The model as a vision transformer.
///
/// Errors   Config naming the family if it is another.
VitConfig& vit_of(ModelConfig& model);
const VitConfig& vit_of(const ModelConfig& model);

/// Height and width of the images that it was made for.
const std::vector<int64_t>& image_size(const ModelConfig& model);
void set_image_size(ModelConfig& model, const std::vector<int64_t>& size);
/// Width of a patch token, of an image's feature, and of ImageTokens::summary_BD.
int64_t token_dim(const ModelConfig& model);
int64_t feature_dim(const ModelConfig& model);
int64_t summary_dim(const ModelConfig& model);
/// What the sides of an image must be a multiple of, and how long at least.
int64_t size_multiple(const ModelConfig& model);
int64_t least_size(const ModelConfig& model);
/// Blocks, for learning rates by layer.
int64_t blocks(const ModelConfig& model);
/// The name by which rules on layers know a parameter: "blocks.i." and "patch_embed." as a vision transformer has them.
std::string layer_name(const ModelConfig& model, const std::string& parameter);
/// Floats that the backward pass needs of one image of this size; an estimate.
int64_t kept_elements(const ModelConfig& model, int64_t height, int64_t width);
/// Config error from the family's own check.
void check(const ModelConfig& model);

/// One key, the family, with its description.
nlohmann::ordered_json to_json(const ModelConfig& model);
/// Other keys are left to the caller.
///
/// Errors   Data naming `where` if there is no family, or its description has an unknown key or a wrong type; then those of check.
ModelConfig model_config_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace eosin::nn
