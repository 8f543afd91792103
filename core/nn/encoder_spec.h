#pragma once
// An encoder's description: the model and the images it expects. It rides in checkpoints and exported folders.
#include "core/nn/vit_config.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct EncoderSpec {
  VitConfig vit;
  std::vector<double> mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225};  // ImageNet's, of pixels in [0, 1]
  std::string interpolation = "bicubic";
  double crop_pct = 1.0;  // centre crop of a resized image that the model expects, as timm means it
};

nlohmann::ordered_json to_json(const EncoderSpec& spec);
/// Errors   Data naming `where` and the key.
EncoderSpec encoder_spec_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace eosin::nn
