#pragma once
// An encoder's description: the model and the images it expects. It rides in checkpoints and exported folders.
#include "core/nn/model_config.h"

#include <string>
#include <vector>

namespace eosin::nn {

struct EncoderSpec {
  ModelConfig model;
  std::vector<double> mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225};  // ImageNet's, of pixels in [0, 1]
  std::string interpolation = "bicubic";
  double crop_pct = 1.0;      // centre crop of a resized image that the model expects, as timm means it
  int64_t image_size_px = 0;  // side of the images shown to it; 0: the size that its positions were made for

  /// Of a vision transformer: its own description.
  ///
  /// Errors   those of vit_of.
  VitConfig& vit() { return vit_of(model); }
  const VitConfig& vit() const { return vit_of(model); }

  /// Height and width of the images shown to it.
  std::vector<int64_t> shown_size() const { return image_size_px > 0 ? std::vector<int64_t>(2, image_size_px) : image_size(model); }
  /// The inverse: only a size that differs from the positions' is kept.
  void show(const std::vector<int64_t>& size) { image_size_px = size.size() == 2 && size[0] == size[1] && size != image_size(model) ? size[0] : 0; }
};

nlohmann::ordered_json to_json(const EncoderSpec& spec);
/// Errors   Data naming `where` and the key.
EncoderSpec encoder_spec_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace eosin::nn
